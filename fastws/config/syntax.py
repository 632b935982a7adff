"""Reads a configuration's file once, and tells nginx from TOML by what it holds."""

import re
from itertools import islice
from pathlib import Path

from fastws.errors import ConfigError

_COMMENT_OR_NOTHING = re.compile(r"\s*(?:#.*)?")
_KEY = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_TOML = re.compile(rf"\s*(?:\[|{_KEY}(?:\s*\.\s*{_KEY})*\s*=)")
_NGINX = re.compile(r"[;{}]\s*(?:#.*)?$")
# Enough to tell, however long the file.
_LINES = 1000


def read(path: str) -> bytes:
    """Return what a file holds. Raises ConfigError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(repr(path), f"cannot be read: {error}") from error


def is_nginx(data: bytes) -> bool:
    """Return whether a file is written in nginx's syntax: it is no TOML, and looks like it."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = [line for line in text.splitlines() if not _COMMENT_OR_NOTHING.fullmatch(line)]
    if not lines or _TOML.match(lines[0]):
        return False
    return any(_NGINX.search(line) for line in islice(lines, _LINES))
