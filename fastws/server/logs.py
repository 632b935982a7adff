"""The log of a process, and the file it goes to."""

import os
import sys

from fastws.config import model
from fastws.errors import FastwsError
from fastws.observe.log import Log


class OpenLog:
    """``log``, written to the configured file, or to stderr. Raises FastwsError."""

    def __init__(self, config: model.Log) -> None:
        self._path = config.file
        self._fd = self._open() if self._path else sys.stderr.fileno()
        self.log = Log(self._fd, config.level, config.format)

    def reopen(self) -> None:
        """Open the file again, which somebody has moved away. Raises FastwsError."""
        if self._path:
            old, self._fd = self._fd, self._open()
            self.log.move(self._fd)
            os.close(old)

    def _open(self) -> int:
        try:
            return os.open(self._path or "", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        except OSError as error:
            raise FastwsError(f"cannot write to {self._path}: {error.strerror}") from error
