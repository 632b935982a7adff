"""Sec-WebSocket-Extensions: the names in it, and what an agreed extension does to frames."""

import re
from collections.abc import Iterable

# RFC 6455 section 9.1; possessive, so that a hostile list is read in linear time. A quoted value
# may hold commas and semicolons, which separate nothing.
_ELEMENT = re.compile(
    rb"""
    [ \t,]*+
    (?:
        ([!#$%&'*+.^_`|~0-9A-Za-z-]++)                             # the name
        (?:
            [ \t]*+ ; [ \t]*+ [!#$%&'*+.^_`|~0-9A-Za-z-]++         # a parameter
            (?: [ \t]*+ = [ \t]*+
                (?: [!#$%&'*+.^_`|~0-9A-Za-z-]++ | "(?:[^"\\]|\\.)*+" )
            )?+
        )*+
        [ \t]*+ (?: , | \Z )
    )?+
    """,
    re.VERBOSE | re.DOTALL,
)

_RSV1 = 0x40
_RSV = 0x70


def parse(values: Iterable[bytes]) -> tuple[bytes, ...]:
    """Name the extensions in all lines of the field, in order.

    Raises ``ValueError`` for a malformed list.
    """
    # A line is parsed by itself: joined, an open quote could swallow the next line.
    return tuple(name for value in values for name in _names(value))


def rsv_rules(agreed: Iterable[bytes]) -> tuple[int, int]:
    """Tell which RSV bits may be set on a message's first frame, and on its continuations."""
    first = other = 0
    for name in agreed:
        if name == b"permessage-deflate":
            first |= _RSV1  # RFC 7692 section 6: only the first frame says "compressed"
        else:
            first |= _RSV
            other |= _RSV
    return first, other


def _names(value: bytes) -> list[bytes]:
    found = []
    at = 0
    while at < len(value):
        match = _ELEMENT.match(value, at)
        if match is None or match.end() == at:
            raise ValueError("malformed Sec-WebSocket-Extensions")
        if match[1] is not None:
            found.append(match[1])
        at = match.end()
    return found
