"""Texts with variables in them, as nginx writes them: ``$host$request_uri``, ``a-${uri}``."""

import re

import msgspec

from fastws.config.expected import expected

# A digit behind the $ is a captured group of the last pattern, whatever follows it.
_PIECE = re.compile(r"\$(?:([1-9])|(\w+)|\{(\w+)\})|([^$]+)", re.ASCII)


class Part(msgspec.Struct, frozen=True):
    """A variable, by its ``name`` in lower case, or a literal ``text``."""

    name: str = ""
    text: str = ""


Template = tuple[Part, ...]


def read_template(value: object) -> Template:
    """Return the parts of a text; which variables there are is not asked here.

    Raises ValueError for a ``$`` without a name behind it.
    """
    if not isinstance(value, str):
        raise expected("a text", value)
    parts = []
    end = 0
    for piece in _PIECE.finditer(value):
        if piece.start() != end:
            break
        end = piece.end()
        name = (piece[1] or piece[2] or piece[3] or "").lower()
        parts.append(Part(name=name) if name else Part(text=piece[4]))
    if end != len(value):
        raise expected("a variable's name behind every $", value)
    return tuple(parts)


def write_template(template: Template) -> str:
    """Return the text that `read_template` makes these parts of."""
    pieces = []
    for i, part in enumerate(template):
        following = template[i + 1].text[:1] if i + 1 < len(template) else ""
        pieces.append(part.text or _variable(part.name, following))
    return "".join(pieces)


def _variable(name: str, following: str) -> str:
    is_group = name in "123456789"
    runs_on = not is_group and (following.isalnum() or following == "_")
    return f"${{{name}}}" if runs_on else f"${name}"
