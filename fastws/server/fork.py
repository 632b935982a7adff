"""Begins a process that has what this one has, and of its descriptors no more than it needs."""

import os
import signal
from collections.abc import Callable, Collection

# The supervisor's. A terminal and systemd send them to all processes of a group: what becomes of a
# worker, the supervisor says.
SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def fork(main: Callable[[], int], keep: Collection[int]) -> int:
    """Run ``main`` in a new process, whose exit status it returns; its pid.

    Descriptors above 2 are closed there, but for those to ``keep``. No loop may run, and no other
    thread. Objects that own descriptors stay as they are in the new process, which therefore never
    comes back from here: they would close what belongs to others by then.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, signal.SIGCHLD))
    try:
        pid = os.fork()
        if pid == 0:
            _live(main, keep)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _live(main: Callable[[], int], keep: Collection[int]) -> None:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _close_all_but(keep)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        status = main()
    finally:
        os._exit(status)


def _close_all_but(keep: Collection[int]) -> None:
    low = 3
    for fd in sorted(keep):
        os.closerange(low, fd)
        low = max(low, fd + 1)
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
