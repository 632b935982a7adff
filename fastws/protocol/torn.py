"""What can be said of a request whose head was refused, or never came whole."""

import re

# As head.pyx has it: nothing else is the line of a request.
_LINE = re.compile(rb"([A-Z-]+) (/[!-~]*) HTTP/1\.([01])")
_END_OF_LINE = re.compile(rb"[\r\n]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+([^\r\n]*+)\r\n")
# What a line of a log may get of it: nginx's large_client_header_buffers.
_MOST_BYTES = 8192
_MOST_FIELDS = 100


class Torn:
    """The beginning of a head, read up to the first thing in it that is malformed.

    It may be asked what a `RequestHead` may be asked that is written down. ``line`` is its first
    line as far as it came, 8192 bytes at most. Method, target and version are empty unless that
    line is whole and well-formed.
    """

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        end = _END_OF_LINE.search(data)
        first = data[: end.start()] if end else data
        self.line = first[:_MOST_BYTES]
        well = _LINE.fullmatch(self.line) if end else None
        self.method, self.target, minor = well.groups() if well else (b"", b"", b"")
        self.version = (1, int(minor)) if well else ()
        self._fields = _fields(data, len(first) + 2) if well else []

    @property
    def host(self) -> bytes:
        """The Host header; empty where none came."""
        return b"".join(self.values(b"host")[:1])

    @property
    def origin(self) -> bytes | None:
        """The Origin header."""
        return next(iter(self.values(b"origin")), None)

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header that came, by its lower-cased name."""
        return [value for known, value in self._fields if known == name]


def _fields(data: bytes, at: int) -> list[tuple[bytes, bytes]]:
    fields: list[tuple[bytes, bytes]] = []
    while len(fields) < _MOST_FIELDS and (field := _FIELD.match(data, at)):
        fields.append((field[1].lower(), field[2].rstrip(b" \t")))
        at = field.end()
    return fields
