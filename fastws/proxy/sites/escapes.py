"""What may not stand in a target, in an argument, or in a header's value, as percent escapes."""

import re
from string import punctuation
from urllib.parse import quote_from_bytes

# nginx's: what it lets stand in a path, and in an argument (ngx_escape_uri).
_IN_PATHS = "".join(sorted(set(punctuation) - set('"#%<>?\\^`{|}')))
_IN_ARGUMENTS = "".join(sorted(set(_IN_PATHS) - set("&+;")))
_UNPRINTABLE = re.compile(rb"[\x00-\x20\x7f]")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_QUOTED = re.compile(rb"%([0-9A-Fa-f]{2})")


def in_path(data: bytes) -> bytes:
    """Return a decoded path as it stands in a target."""
    return quote_from_bytes(data, safe=_IN_PATHS).encode()


def in_argument(data: bytes) -> bytes:
    """Return a captured text as nginx puts it into arguments."""
    return quote_from_bytes(data, safe=_IN_ARGUMENTS).encode()


def in_target(target: bytes) -> bytes:
    """Return a target without what would end it, wherever its parts come from."""
    return _UNPRINTABLE.sub(_escape, target)


def in_header(value: bytes) -> bytes:
    """Return a header's value without what would end the line, wherever its parts come from."""
    return _CONTROL.sub(_escape, value) if _CONTROL.search(value) else value


def in_redirect(text: bytes) -> bytes:
    """Return a text with the escapes undone that a redirect does not need.

    That is what nginx does to the replacement of a rewrite that redirects, up to its arguments.
    """
    path, mark, arguments = text.partition(b"?")
    return _QUOTED.sub(_unescape, path) + mark + arguments


def _escape(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]


def _unescape(match: re.Match[bytes]) -> bytes:
    byte = int(match[1], 16)
    return bytes((byte,)) if 0x25 < byte < 0x7F else match[0]
