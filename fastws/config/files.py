"""What keeps a file that the configuration names from being read, or written to."""

import errno
import os
from pathlib import Path


def why_unreadable(file: str) -> str:
    """Return a sentence about it, or nothing."""
    try:
        Path(file).open("rb").close()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return f"{file!r} cannot be read: {getattr(error, 'strerror', error)}"
    return ""


def why_unwritable(file: str) -> str:
    """Return a sentence about it, or nothing. The file is not made."""
    try:
        number = _fault(Path(file))
    except ValueError as error:
        return f"{file!r} cannot be written to: {error}"
    return f"{file!r} cannot be written to: {os.strerror(number)}" if number else ""


def _fault(path: Path) -> int:
    if "\0" in str(path):
        return errno.EINVAL
    if path.is_dir():
        return errno.EISDIR
    if path.exists():
        return 0 if os.access(path, os.W_OK) else errno.EACCES
    if not path.parent.is_dir():
        return errno.ENOENT
    return 0 if os.access(path.parent, os.W_OK | os.X_OK) else errno.EACCES
