"""The logs of a process, and the files they go to."""

import sys

from fastws.config import model
from fastws.errors import FastwsError
from fastws.observe.files import Descriptor, LogFiles
from fastws.observe.log import Log


class OpenLog:
    """``log``, written to the configured file, or to stderr, and the ``files`` of access logs.

    Raises FastwsError.
    """

    def __init__(self, config: model.Log) -> None:
        self._path = config.file
        self._descriptor = self._open(config.file)
        fd = self._descriptor.fd if self._descriptor else sys.stderr.fileno()
        self.log = Log(fd, config.level, config.format)
        self.files = LogFiles(self.log)

    def reopen(self) -> None:
        """Open the files again, which somebody has moved away. Raises FastwsError."""
        faults = self.files.reopen()
        try:
            self._move(self._path)
        except FastwsError as error:
            faults.append(str(error))
        if faults:
            raise FastwsError("; ".join(faults))

    def configure(self, config: model.Log) -> None:
        """Go by another configuration, with its file and those that stay opened again.

        Raises FastwsError where one cannot be opened: what is logged there goes on as before.
        """
        self._path = config.file
        self.log.configure(config.level, config.format)
        self.reopen()

    def close(self) -> None:
        """Write what is left."""
        self.files.close()
        self.log.close()

    def _move(self, path: str | None) -> None:
        descriptor = self._open(path)
        self.log.move(descriptor.fd if descriptor else sys.stderr.fileno())
        self._descriptor = descriptor

    def _open(self, path: str | None) -> Descriptor | None:
        try:
            return Descriptor(path) if path else None
        except OSError as error:
            raise FastwsError(f"cannot write to {path}: {error.strerror}") from error
