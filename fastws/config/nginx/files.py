"""Reads the files of a configuration, within limits."""

import glob
import os
from pathlib import Path

MIB = 1024 * 1024
MOST_BYTES = 8 * MIB  # of all files together
MOST_FILES = 1000

_GLOB = frozenset("*?[")


class Files:
    """The files that one configuration is made of.

    ``folder`` is what relative names are relative to: in nginx, where the main file is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bytes = 0
        self._count = 0

    def matching(self, name: str) -> list[str]:
        """Return the files that an include names, in nginx's order.

        Only a pattern may match nothing, and it does not match hidden files. Raises ValueError.
        """
        if "\0" in name:
            raise ValueError("a file's name has no NUL")
        if not _GLOB & set(name):
            return [str(self._folder / name)]
        pattern = str(Path(glob.escape(str(self._folder))) / name)
        return sorted(glob.glob(pattern), key=os.fsencode)  # noqa: PTH207 - its * takes hidden files

    def read(self, path: str) -> str:
        """Return a file's text; bytes that are not UTF-8 come out as lone surrogates.

        Raises OSError, or ValueError for too many or too large files.
        """
        with Path(path).open("rb") as file:
            return self.take(file.read(MOST_BYTES + 1))

    def take(self, data: bytes) -> str:
        """Return the text of bytes that were read already. Raises ValueError as `read` does."""
        self._count += 1
        self._bytes += len(data)
        if self._count > MOST_FILES:
            raise ValueError(f"more than {MOST_FILES} files in one configuration")
        if self._bytes > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES // MIB} MiB in one configuration")
        return data.decode("utf-8", "surrogateescape")
