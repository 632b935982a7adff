"""The files that lines are appended to, each opened once in a process, whoever writes to it."""

import os
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
        self._fd = -1
        if path in _STANDARD:
            self._fd = os.dup(_STANDARD[path])
        else:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
            self._fd = os.open(path, flags, 0o640)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def __del__(self) -> None:
        if self._fd != -1:
            os.close(self._fd)


class LogFile:
    """A file that whole lines are appended to; ``log`` is told of those that are lost.

    Raises OSError when it cannot be opened.
    """

    def __init__(self, path: str, log: Log) -> None:
        self.path = path
        # Nothing that it holds may hold this file, or it would not be closed at once.
        self._writer = Writer(
            Descriptor(path),
            lost=partial(_tell_lost, log, path),
            broken=partial(_tell_broken, log, path),
        )

    def write(self, line: Line) -> None:
        """Write a line."""
        self._writer.add(line)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def reopen(self) -> None:
        """Open it again, as somebody has moved it away. Raises OSError, and then goes on."""
        self._writer.move(Descriptor(self.path))


class LogFiles:
    """The open files; each is closed when nobody logs to it any more. ``log`` is told of faults."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._files: WeakValueDictionary[str, LogFile] = WeakValueDictionary()

    def open(self, path: str) -> LogFile:
        """Return the file at ``path``. Raises OSError when it cannot be opened."""
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = LogFile(path, self.log)
        return file

    def write(self, path: str, line: Line) -> None:
        """Write a line to the file at ``path``, which need not be open."""
        try:
            self.open(path).write(line)
        except OSError as error:
            _tell_broken(self.log, path, error)

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
