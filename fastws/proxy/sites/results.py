"""What a site comes to: an answer of its own, before error pages and headers are added."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

# Those of a Location, as nginx's `return` has them.
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# RFC 9110, 15.3.5 and 15.4.5
BODILESS = frozenset({204, 304})


@dataclass(slots=True, frozen=True)
class Result:
    """A status with a text, or with the Location of a redirect, or with neither.

    The text is of the location's default type, unless it has a ``kind`` of its own.
    """

    status: int
    text: bytes | None = None
    location: bytes | None = None
    kind: bytes = b""


def body(status: int) -> bytes:
    """Return the text for a status that has none of its own."""
    if status in BODILESS or status < 200:
        return b""
    try:
        return f"{status} {HTTPStatus(status).phrase}\n".encode()
    except ValueError:
        return f"{status}\n".encode()
