"""The PROXY protocol, versions 1 and 2: what a proxy before us says of a connection's ends.

The header is the first thing on the connection, before TLS. Its specification is HAProxy's
doc/proxy-protocol.txt; nginx reads it with ``listen … proxy_protocol``.
"""

import re
from ipaddress import IPv4Address, IPv6Address

from fastws.errors import HANG_UP, Reject

End = tuple[str, int]

_START = b"PROXY "
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
# Section 2.1: the longest line of version 1, its end included.
_LONGEST_LINE = 107
# nginx's NGX_PROXY_PROTOCOL_MAX_HEADER: version 2 may carry a client's certificate, among others.
_LONGEST = 4096
_FIXED = 16  # bytes of version 2 that are there whatever follows

_PORT = rb"(0|[1-9]\d{0,4})"
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP([46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) %b %b)\r\n"
    % (_PORT, _PORT)
)
_FAMILIES: dict[bytes, type[IPv4Address | IPv6Address]] = {b"4": IPv4Address, b"6": IPv6Address}
_LOCAL, _PROXY = 0x20, 0x21
# Section 2.2, the byte behind the command: TCP over IPv4 and IPv6, and how long an address is.
_SIZES = {0x11: 4, 0x21: 16}


class ProxyHeader:
    """The header of one connection.

    ``source`` and ``destination`` are the address and port of its two ends, once they are known.
    They stay None for a connection that the sender made for itself (LOCAL) and for ends that are no
    TCP addresses (UNKNOWN): then those of the connection itself hold.
    """

    __slots__ = ("_held", "complete", "destination", "source")

    most = _LONGEST

    def __init__(self) -> None:
        self.complete = False
        self.source: End | None = None
        self.destination: End | None = None
        self._held = b""

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; None until the header is complete, then those that came behind it.

        Raises Reject for what is no such header: nobody is answered who does not speak it.
        """
        self._held += data
        held = self._held
        if not _is_prefix(_SIGNATURE, held):
            if not _is_prefix(_START, held):
                raise _malformed("there is none")
            size = self._line(held)
        else:
            size = self._binary(held) if len(held) >= _FIXED else 0
        if not size:
            return None
        self.complete = True
        self._held = b""
        return held[size:]

    def _line(self, held: bytes) -> int:
        """Read version 1 and return its size; 0 if more is to come."""
        end = held.find(b"\n", 0, _LONGEST_LINE) + 1
        if not end and len(held) < _LONGEST_LINE:
            return 0
        match = _LINE.fullmatch(held[:end])
        if match is None:
            raise _malformed("its line is malformed")
        if match[1]:
            kind = _FAMILIES[match[1]]
            source, destination, *ports = match.group(2, 3, 4, 5)
            self._take([_written(kind, source), _written(kind, destination)], list(map(int, ports)))
        return end

    def _binary(self, held: bytes) -> int:
        """Read version 2 and return its size; 0 if more is to come."""
        command, family = held[12], held[13]
        size = _FIXED + int.from_bytes(held[14:16])
        if command not in (_LOCAL, _PROXY):
            raise _malformed("its version or command is unknown")
        if size > _LONGEST:
            raise _malformed(f"it is longer than {_LONGEST} bytes")
        if len(held) < size:
            return 0
        length = _SIZES.get(family)
        if command == _PROXY and length:
            ends = held[_FIXED:size]
            if len(ends) < 2 * length + 4:
                raise _malformed("its addresses are missing")
            kind = _FAMILIES[b"4" if length == 4 else b"6"]
            places = [kind(ends[:length]), kind(ends[length : 2 * length])]
            ports = [int.from_bytes(ends[i : i + 2]) for i in (2 * length, 2 * length + 2)]
            self._take(list(map(str, places)), ports)
        return size

    def _take(self, hosts: list[str], ports: list[int]) -> None:
        if max(ports) > 65535:
            raise _malformed("a port is too large")
        self.source, self.destination = zip(hosts, ports, strict=True)


def _is_prefix(expected: bytes, held: bytes) -> bool:
    """Whether what is held begins as expected, as far as it goes."""
    return held.startswith(expected[: len(held)])


def _written(kind: type[IPv4Address | IPv6Address], text: bytes) -> str:
    try:
        return str(kind(text.decode()))
    except ValueError:
        raise _malformed("its line is malformed") from None


def _malformed(why: str) -> Reject:
    return Reject(HANG_UP, f"The connection does not begin with a PROXY header: {why}.")
