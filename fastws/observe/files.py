"""The files that lines are appended to, each opened once in a process, whoever writes to it."""

import os
from collections.abc import Callable
from functools import partial
from weakref import WeakValueDictionary

from fastws.observe.log import Log
from fastws.observe.writer import Line, Writer

# These cannot be opened where they are sockets, as under systemd.
_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}


class Descriptor:
    """A descriptor of the file at ``path``, to append to, as long as somebody has it.

    Raises OSError; for a pipe that nobody reads, too.
    """

    def __init__(self, path: str) -> None:
        self.fd = -1
        if path in _STANDARD:
            self.fd = os.dup(_STANDARD[path])
        else:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
            self.fd = os.open(path, flags, 0o640)

    def __del__(self) -> None:
        if self.fd != -1:
            os.close(self.fd)


class LogFile:
    """A file that whole lines are appended to; ``log`` is told of those that are lost.

    Raises OSError when it cannot be opened.
    """

    def __init__(self, path: str, log: Log) -> None:
        self.path = path
        self._descriptor = Descriptor(path)
        # Nothing that it holds may hold this file, or it would not be closed at once.
        self._writer = Writer(
            self._descriptor.fd,
            lost=partial(_tell_lost, log, path),
            broken=partial(_tell_broken, log, path),
        )
        self.write: Callable[[Line], None] = self._writer.add
        self.close: Callable[[], None] = self._writer.close

    def reopen(self) -> None:
        """Open it again, as somebody has moved it away. Raises OSError, and then goes on."""
        descriptor = Descriptor(self.path)
        self._writer.move(descriptor.fd)
        self._descriptor = descriptor


class LogFiles:
    """The open files; each is closed when nobody logs to it any more."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._files: WeakValueDictionary[str, LogFile] = WeakValueDictionary()

    def open(self, path: str) -> LogFile:
        """Return the file at ``path``. Raises OSError when it cannot be opened."""
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = LogFile(path, self._log)
        return file

    def reopen(self) -> list[str]:
        """Open all of them again; returns what went wrong, a line each."""
        faults = []
        for file in list(self._files.values()):
            try:
                file.reopen()
            except OSError as error:
                faults.append(f"cannot write to {file.path}: {error.strerror}")
        return faults

    def close(self) -> None:
        """Write what is left."""
        for file in list(self._files.values()):
            file.close()


def _tell_lost(log: Log, path: str, count: int) -> bytes:
    log.warning("access_log_lines_lost", file=path, count=count)
    return b""


def _tell_broken(log: Log, path: str, error: OSError) -> None:
    log.error("access_log_not_written", file=path, message=error.strerror)
