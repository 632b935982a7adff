"""The file that names the process to send signals to."""

import os
from contextlib import suppress
from pathlib import Path

from fastws.errors import FastwsError


class PidFile:
    """One at ``path``, if there is to be one; it can be written, and is only when we serve.

    Raises FastwsError when it cannot be.
    """

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        self._text = f"{os.getpid()}\n"
        if self._path:
            try:
                self._path.open("a").close()
            except OSError as error:
                raise FastwsError(f"cannot write {path}: {error.strerror}") from error

    def write(self) -> None:
        """Name this process. Raises FastwsError when the file cannot be written."""
        if self._path:
            try:
                self._path.write_text(self._text)
            except OSError as error:
                raise FastwsError(f"cannot write {self._path}: {error.strerror}") from error

    def remove(self) -> None:
        """Remove the file, unless another process has its name in it by now."""
        with suppress(OSError):
            if self._path and self._path.read_text() in ("", self._text):
                self._path.unlink()
