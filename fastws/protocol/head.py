"""Heads of HTTP/1.1 messages, from bytes: httptools, and what httptools lets pass.

A head is followed line by line as it arrives, so that limits hold while it drips and a wrong
first line is refused at once. Complete, it goes through httptools in one piece, which makes the
outcome independent of how it was split.
"""

import re
from ipaddress import IPv6Address
from typing import NoReturn, Protocol

from httptools import (
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
    HttpResponseParser,
)

from fastws.errors import Reject, UpstreamReject
from fastws.protocol.body import Body, ChunkedBody, SizedBody, StreamBody
from fastws.protocol.headers import Headers, tokens

# Complete lines up to the empty one; possessive, so that it runs in linear time.
_LINES = re.compile(rb"(?:(?!\r\n)[^\n]++(?<=\r)\n)*+")
# A header of a well-formed head, without the space around its value.
_FIELD = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")
# It starts with the rarer byte, so that the search skips from line to line.
_TRAILING_SPACE = re.compile(rb"\r(?<=[ \t]\r)")
# RFC 9112 section 3: single spaces, an upper-case method, a target in origin-form, no fragment.
_REQUEST_LINE = re.compile(rb'(?!CONNECT )([A-Z-]+) (/[!"$-~]*) HTTP/1\.([01])')
_STARTED_TARGET = re.compile(rb"[^ \n]* ([^ \n]*)")
# RFC 9112 section 4; many servers leave out the space before an empty reason.
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t -~\x80-\xff]*))?")
# RFC 3986 section 3.2.2, without the userinfo of section 3.2.1.
_HOST = re.compile(
    rb"(?:(?:[0-9A-Za-z._~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})++|\[([0-9A-Fa-f:.]+)\])(?::[0-9]{0,5})?"
)

_BODILESS = frozenset({101, 204, 304})
_TLS_HANDSHAKE = b"\x16"
_TLS_ALERT = b"\x15"


class Limits(Protocol):
    """How big a head may grow."""

    @property
    def head_bytes(self) -> int:
        """All of the head; of a response together with its interim responses."""

    @property
    def headers(self) -> int:
        """How many header lines."""

    @property
    def target_bytes(self) -> int:
        """The target of a request."""


class _Head:
    """What requests and responses have in common.

    ``headers`` are exact in name, value and order, and ``names`` are theirs, lower-cased.
    """

    __slots__ = (
        "_buffer",
        "_limits",
        "_line",
        "_lines",
        "_room",
        "_values",
        "headers",
        "names",
        "version",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._room = limits.head_bytes
        self._buffer = b""
        self.version = (1, 1)
        self._restart()

    def _restart(self) -> None:
        self._line = 0
        self._lines = 0
        self.headers: Headers = []
        self.names: list[bytes] = []
        self._values: dict[bytes, list[bytes]] = {}

    def values(self, name: bytes) -> list[bytes]:
        """Give all values of a header, by its lower-cased name."""
        return self._values.get(name, [])

    def _keep_headers(self, head: bytes) -> None:
        """Cut a head that httptools has found well-formed; faster than its call for each header."""
        self.headers = headers = _FIELD.findall(head, head.index(b"\n") + 1)
        if _TRAILING_SPACE.search(head):
            self.headers = headers = [(name, value.rstrip()) for name, value in headers]
        self.names = [name.lower() for name, _ in headers]

    def _index(self) -> None:
        values = self._values
        for name, header in zip(self.names, self.headers, strict=True):
            if name in values:
                values[name].append(header[1])
            else:
                values[name] = [header[1]]

    def _end(self, buffer: bytes) -> int:
        """Follow the lines of the head; its length, or 0 while it is incomplete.

        Faults are found in the order of the stream, however it is split.
        """
        start, room = self._line, self._room
        if not start:
            self._begun(buffer[:room])
        end = self._line = _LINES.match(buffer, start, room).end()  # type: ignore[union-attr]
        if end > start:
            self._count_lines(buffer, start, end)
        if buffer.startswith(b"\r\n", end, room):
            return end + 2
        if buffer.find(b"\n", end, room) >= 0:
            # RFC 9112 section 2.2 lets a bare LF pass for a line's end; it smuggles requests.
            self._refuse("A line of the head ends in a bare LF")
        if len(buffer) > room:
            self._too_large(f"The head is larger than {self._limits.head_bytes} bytes")
        return 0

    def _count_lines(self, buffer: bytes, start: int, end: int) -> None:
        if not start:
            self._first_line(buffer[: buffer.index(b"\r\n")])
        self._lines += buffer.count(b"\n", start, end)
        if self._lines - 1 > self._limits.headers:
            self._too_large(f"The head has more than {self._limits.headers} headers")

    def _begun(self, seen: bytes) -> None:
        """Judge a first line that may be incomplete."""
        raise NotImplementedError

    def _first_line(self, line: bytes) -> None:
        """Judge and keep the first line."""
        raise NotImplementedError

    def _refuse(self, fault: str) -> NoReturn:
        """Raise the error for a malformed head."""
        raise NotImplementedError

    def _too_large(self, fault: str) -> NoReturn:
        """Raise the error for a head beyond the limits."""
        raise NotImplementedError


class RequestHead(_Head):
    """The head of a downstream's request.

    Headers with ``_`` in their names are left out and counted in ``dropped``: behind CGI and WSGI
    they would pass for the ones with ``-`` that we check.
    """

    __slots__ = ("dropped", "method", "target")

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.method = b""
        self.target = b""
        self.dropped = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; None while incomplete, else those that followed the head.

        Raises ``Reject``: 400 malformed or ambiguous, 414 target too long, 431 head too large.
        """
        buffer = self._buffer = self._buffer + data
        end = self._end(buffer)
        if not end:
            return None
        self._buffer = b""
        self._parse(buffer[:end])
        self._check_host()
        if b"content-length" in self._values or b"transfer-encoding" in self._values:
            self._check_framing()
        if self.version == (1, 0) and self.is_upgrade:
            self._refuse("An upgrade needs HTTP/1.1 (RFC 9110 section 7.8)")
        return buffer[end:]

    @property
    def is_upgrade(self) -> bool:
        """Whether the request asks to leave HTTP, for any protocol."""
        return bool(self.values(b"upgrade")) and b"upgrade" in tokens(self.values(b"connection"))

    def _parse(self, head: bytes) -> None:
        try:
            HttpRequestParser(self).feed_data(head)
        except HttpParserUpgrade:
            pass
        except HttpParserError as error:
            self._refuse(f"The head is malformed: {error}")
        self._keep_headers(head)
        if b"_" in b"".join(self.names):
            self._drop_underscores()
        self._index()

    def _drop_underscores(self) -> None:
        kept = [header for header in self.headers if b"_" not in header[0]]
        self.dropped = len(self.headers) - len(kept)
        self.headers = kept
        self.names = [name.lower() for name, _ in kept]

    def _begun(self, seen: bytes) -> None:
        if seen and not seen[:1].isupper():
            self._refuse(_not_a_request(seen))
        target = _STARTED_TARGET.match(seen)
        if target and target.end(1) - target.start(1) > self._limits.target_bytes:
            limit = self._limits.target_bytes
            raise Reject(414, f"The target is longer than {limit} bytes; shorten the URL.")

    def _first_line(self, line: bytes) -> None:
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            self._refuse(_request_line_fault(line))
        self.method, self.target, minor = match.groups()
        self.version = (1, int(minor))

    def _check_host(self) -> None:
        """RFC 9112 section 3.2: exactly one, and valid; HTTP/1.0 may do without."""
        hosts = self.values(b"host")
        if not hosts and self.version == (1, 0):
            return
        if len(hosts) != 1:
            self._refuse(f"A request has exactly one Host header, this one has {len(hosts)}")
        match = _HOST.fullmatch(hosts[0])
        if match is None or not (match[1] is None or _is_ipv6(match[1])):
            self._refuse("The Host header is not a host with an optional port")

    def _check_framing(self) -> None:
        """RFC 9112 section 6: what httptools lets pass could be read as two requests."""
        encodings = self.values(b"transfer-encoding")
        if encodings and self.version == (1, 0):
            self._refuse("HTTP/1.0 has no Transfer-Encoding")
        if self.is_upgrade and (encodings or self.values(b"content-length") != [b"0"]):
            self._refuse("An upgrade request has no body")

    def _refuse(self, fault: str) -> NoReturn:
        raise Reject(400, f"{fault}; send one well-formed HTTP/1.1 request.")

    def _too_large(self, fault: str) -> NoReturn:
        raise Reject(431, f"{fault}; send fewer or smaller headers, cookies above all.")


class ResponseHead(_Head):
    """The head of an upstream's answer.

    Interim responses other than 101 are swallowed (RFC 9110 section 15.2); one limit of bytes
    covers them and the final head together.
    """

    __slots__ = ("_parsed", "reason", "status")

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.status = 0
        self.reason = b""
        self._parsed = False

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; None while incomplete, else those that followed the final head.

        Raises ``UpstreamReject`` for anything that is not a well-formed answer within the limits.
        """
        self._buffer += data
        while end := self._end(self._buffer):
            head, self._buffer = self._buffer[:end], self._buffer[end:]
            self._parse(head)
            if self.status >= 200 or self.status == 101:
                self._check_framing()
                rest, self._buffer = self._buffer, b""
                return rest
            self._room -= end
            self._restart()
        return None

    @property
    def has_chunked_body(self) -> bool:
        """Whether a body follows that says itself where it ends."""
        return self.status not in _BODILESS and bool(self.values(b"transfer-encoding"))

    def body(self) -> Body:
        """Make what finds the end of this answer's body (RFC 9112 section 6.3)."""
        if self.has_chunked_body:
            return ChunkedBody()
        if self.status in _BODILESS:
            return SizedBody(0)
        length = self.values(b"content-length")
        return SizedBody(int(length[0])) if length else StreamBody()

    def on_message_complete(self) -> None:
        """Note that httptools has found nothing wrong with a head that has no body."""
        self._parsed = True

    def _parse(self, head: bytes) -> None:
        self._parsed = False
        try:
            HttpResponseParser(self).feed_data(head)
        except HttpParserUpgrade:
            pass
        except HttpParserError as error:
            # httptools stumbles over a 101 without Upgrade after it is parsed; the handshake
            # says better what is wrong with it.
            if not self._parsed:
                self._refuse(f"its head is malformed: {error}")
        self._keep_headers(head)
        self._index()

    def _begun(self, seen: bytes) -> None:
        if not seen.startswith(b"HTTP/1."[: len(seen)]):
            self._refuse(_not_an_answer(seen))

    def _first_line(self, line: bytes) -> None:
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            self._refuse("its status line is malformed")
        minor, status, reason = match.groups()
        self.version = (1, int(minor))
        self.status = int(status)
        self.reason = reason or b""

    def _check_framing(self) -> None:
        """RFC 9112 section 6.1: any other use of Transfer-Encoding is ambiguous."""
        if not self.values(b"transfer-encoding"):
            return
        codings = tokens(self.values(b"transfer-encoding"))
        clear = codings[-1:] == [b"chunked"] and codings.count(b"chunked") == 1
        if self.version == (1, 0) or not clear:
            self._refuse("its Transfer-Encoding leaves open where the body ends")

    def _refuse(self, fault: str) -> NoReturn:
        raise UpstreamReject(f"The upstream's answer is not well-formed HTTP/1.1: {fault}.")

    def _too_large(self, fault: str) -> NoReturn:
        raise UpstreamReject(f"The upstream's answer is too large: {fault}.")


def _is_ipv6(address: bytes) -> bool:
    try:
        IPv6Address(address.decode("ascii"))
    except ValueError:
        return False
    return True


def _not_a_request(seen: bytes) -> str:
    if seen.startswith(_TLS_HANDSHAKE):
        return "This looks like TLS, but this listener speaks plain ws:// and http://"
    return "This does not start with an HTTP method"


def _request_line_fault(line: bytes) -> str:
    """Say what is wrong with a request line that is refused."""
    if line.startswith(b"PRI * HTTP/2"):
        return "This is HTTP/2, but this listener speaks HTTP/1.1"
    if line.startswith(b"CONNECT "):
        return "CONNECT is refused: this is a reverse proxy"
    if b"#" in line:
        return "The target holds a fragment"
    target = line.partition(b" ")[2]
    if target and not target.startswith((b"/", b" ")):
        return "The target does not start with a slash"
    return "The request line is not METHOD SP target SP HTTP/1.1"


def _not_an_answer(seen: bytes) -> str:
    if seen.startswith((_TLS_ALERT, _TLS_HANDSHAKE)):
        return "it speaks TLS, so its address should be wss://"
    return "it does not start with HTTP/1"
