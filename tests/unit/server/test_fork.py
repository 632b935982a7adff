from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, signal, socket, sys
from fastws.server.fork import SIGNALS, fork

kept, other = os.pipe()
mine, theirs = socket.socketpair()
signal.signal(signal.SIGTERM, lambda *_: print("the parent's", flush=True))

def main():
    def is_open(fd):
        try:
            os.fstat(fd)
        except OSError:
            return False
        return True
    assert is_open(theirs.fileno()) and is_open(kept)
    assert not is_open(other) and not is_open(mine.fileno())
    assert {signal.getsignal(number) for number in SIGNALS} == {signal.SIG_IGN}
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    os.kill(os.getpid(), signal.SIGTERM)
    return 7

pid = fork(main, {kept, theirs.fileno()})
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)

def fail():
    raise KeyError("inside")

pid = fork(fail, ())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_new_process_has_what_it_needs_and_nothing_else() -> None:
    result = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout == "7\n1\nthe parent's\n"
    assert result.stderr == ""
