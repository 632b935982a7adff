"""systemd's two protocols: sd_notify(3), and sockets that it opened (sd_listen_fds(3))."""

import os
import socket
import time
from contextlib import suppress

# SD_LISTEN_FDS_START
_FIRST = 3


class Notifier:
    """Tells the service manager how we are, if there is one that asks (``$NOTIFY_SOCKET``)."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]

    @property
    def watchdog(self) -> float:
        """Seconds between two signs of life that it wants at least; 0: none."""
        if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
            return 0.0
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        return int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0

    def ready(self) -> None:
        """Say that connections are accepted, or that a reload is over."""
        self._send(READY="1")

    def reloading(self) -> None:
        """Say that a reload begins."""
        self._send(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))

    def stopping(self) -> None:
        """Say that the end begins."""
        self._send(STOPPING="1")

    def successor(self, pid: int) -> None:
        """Another process is the one to look at."""
        self._send(MAINPID=str(pid))

    def alive(self) -> None:
        """Say that all is well."""
        self._send(WATCHDOG="1")

    def _send(self, **fields: str) -> None:
        if not self._address:
            return
        text = "\n".join(f"{name}={value}" for name, value in fields.items())
        # It may be gone, or busy: we go on in any case.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(self._address)
            sock.send(text.encode())


def inherited() -> list[socket.socket]:
    """Return the listening sockets that were opened for us, once."""
    ours = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if not ours or not count.isdecimal():
        return []
    sockets = []
    for fd in range(_FIRST, _FIRST + int(count)):
        with suppress(OSError):
            os.set_inheritable(fd, False)
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            sockets.append(sock)
    return sockets
