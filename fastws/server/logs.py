"""The logs of a process, and the files they go to."""

import asyncio
import sys

from fastws.config import model
from fastws.errors import FastwsError
from fastws.observe.files import Descriptor, LogFiles
from fastws.observe.log import Log
from fastws.observe.writer import File, Writer


def log_faults(loop: asyncio.AbstractEventLoop, log: Log) -> None:
    """Log what no code of ours catches on ``loop``; the connection that it happens on is over."""

    def fault(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        log.error("fault", message=context.get("message", ""), error=repr(error) if error else "")

    loop.set_exception_handler(fault)


class OpenLog:
    """``log``, written to the configured file, or to stderr, and the ``files`` of access logs.

    Raises FastwsError.
    """

    def __init__(self, config: model.Log) -> None:
        self._path = config.file
        self.log = Log(_open(config.file), config.level, config.format, broken=_tell_broken)
        self.files = LogFiles(self.log)

    def reopen(self) -> None:
        """Open the files again, which somebody has moved away.

        Raises FastwsError where one cannot be opened: what is logged there goes on as before.
        """
        faults = self.files.reopen()
        try:
            self.log.move(_open(self._path))
        except FastwsError as error:
            faults.append(str(error))
        if faults:
            raise FastwsError("; ".join(faults))

    def configure(self, config: model.Log) -> None:
        """Go by another configuration, and open the files again. Raises as `reopen` does."""
        self._path = config.file
        self.log.configure(config.level, config.format)
        self.reopen()

    def close(self) -> None:
        """Write what is left."""
        self.files.close()
        self.log.close()


def _open(path: str | None) -> File:
    try:
        return Descriptor(path) if path else sys.stderr
    except OSError as error:
        raise FastwsError(f"cannot write to {path}: {error.strerror}") from error


def _tell_broken(error: OSError) -> None:
    """Say on standard error what the log cannot."""
    line = f"fastws: error: the log cannot be written: {error.strerror}\n".encode()
    Writer(sys.stderr, lost=lambda _: b"").add(lambda: line)
