"""Texts with variables in them, as nginx writes them: ``$host$request_uri``, ``a-${uri}``."""

import re

import msgspec

from fastws.config.expected import expected
from fastws.config.faults import did_you_mean

VARIABLES = (
    "remote_addr",
    "binary_remote_addr",
    "request_uri",
    "uri",
    "args",
    "query_string",
    "host",
)
FAMILIES = ("arg", "http", "cookie")

_PIECE = re.compile(r"\$(?:(\w+)|\{(\w+)\})|([^$]+)", re.ASCII)
_FAMILY = re.compile(rf"(?:{'|'.join(FAMILIES)})_\w+", re.ASCII)


class Part(msgspec.Struct, frozen=True):
    """A variable, by its ``name`` in lower case, or a literal ``text``."""

    name: str = ""
    text: str = ""


Template = tuple[Part, ...]


def read_template(text: str) -> Template:
    """Return the parts of a text.

    Raises ValueError for a variable that is unknown, or is none.
    """
    parts = []
    end = 0
    for piece in _PIECE.finditer(text):
        if piece.start() != end:
            break
        end = piece.end()
        name = (piece[1] or piece[2] or "").lower()
        parts.append(Part(name=_known(name)) if name else Part(text=piece[3]))
    if end != len(text):
        raise expected("a variable's name behind every $", text)
    return tuple(parts)


def _known(name: str) -> str:
    if name in VARIABLES or _FAMILY.fullmatch(name):
        return name
    raise ValueError("; ".join(filter(None, [f"unknown variable ${name}", _near(name)])))


def _near(name: str) -> str:
    return did_you_mean(f"${name}", [f"${known}" for known in VARIABLES])
