"""The plain Python heads and handshake that the compiled ones must match, byte for byte.

Same names, same results and same errors as in `fastws.protocol`; regular expressions, lists and
sets instead of pointers.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha1
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote_to_bytes

from httptools import (
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
    HttpResponseParser,
)

from fastws.errors import Reject, UpstreamReject
from fastws.protocol.body import Body, ChunkedBody, SizedBody, StreamBody

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastws.protocol.head import Limits
    from fastws.protocol.headers import Forwarded

# -- headers ------------------------------------------------------------------------------------

HOP_BY_HOP = frozenset(
    {
        # RFC 9110 section 7.6.1; the Proxy-* pair is for the proxy that the peer itself chose.
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

_CHAIN = b"x-forwarded-for"
_OURS = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\nX-Real-IP: %b\r\n"
# Prefixes of the names by which backends learn who the client is.
_IDENTITY = (b"x-forwarded-", b"x-real-ip", b"forwarded")

# Neither may a peer take these away by naming them in Connection: it would change what the
# request means, or hide who sent it.
_NOT_NOMINABLE = HOP_BY_HOP | {b"content-length", b"host"}
_NOT_NOMINABLE_PREFIXES = (b"sec-websocket-", *_IDENTITY)

_NOTHING: frozenset[bytes] = frozenset()

Headers = list[tuple[bytes, bytes]]


def tokens(values: Iterable[bytes]) -> list[bytes]:
    """Split all lines of a comma-separated field into its lower-cased elements.

    Empty elements are skipped (RFC 9110 section 5.6.1).
    """
    elements = b",".join(values).lower().split(b",")
    return [token for element in elements if (token := element.strip(b" \t"))]


def nominated(connection: list[bytes]) -> frozenset[bytes]:
    """Tell which names besides the hop-by-hop ones all Connection tokens ask to be removed."""
    if _NOT_NOMINABLE.issuperset(connection):
        return _NOTHING
    return frozenset(
        token
        for token in connection
        if token not in _NOT_NOMINABLE and not token.startswith(_NOT_NOMINABLE_PREFIXES)
    )


def lines(names: list[bytes], headers: Headers, dropped: frozenset[bytes]) -> bytes:
    """Format every header whose lower-cased name is not ``dropped``, exact and in order."""
    kept = [
        b": ".join(header)
        for name, header in zip(names, headers, strict=True)
        if name not in dropped
    ]
    kept.append(b"")
    return b"\r\n".join(kept)


def forwarding(
    names: list[bytes], headers: Headers, host: bytes, forwarded: Forwarded
) -> tuple[bytes, frozenset[bytes]]:
    """Make our own forwarding headers, and name those of the client that give way to them."""
    client = forwarded.client
    proto = b"https" if forwarded.tls else b"http"
    if not forwarded.trusted:
        return _OURS % (client, proto, host, client), _claims(names)
    chain = [header[1] for name, header in zip(names, headers, strict=True) if name == _CHAIN]
    others = ((b"X-Forwarded-Proto", proto), (b"X-Forwarded-Host", host), (b"X-Real-IP", client))
    added = [
        (b"X-Forwarded-For", b", ".join([*filter(None, chain), client])),
        *[header for header in others if header[0].lower() not in names],
    ]
    return b"".join([b"%b: %b\r\n" % header for header in added]), frozenset({_CHAIN})


def _claims(names: list[bytes]) -> frozenset[bytes]:
    """Find the headers by which a peer says who the client is."""
    joined = b" ".join(names)
    # Few requests hold any: one search instead of one for each name.
    if b"forwarded" not in joined and b"x-real-ip" not in joined:
        return _NOTHING
    return frozenset(name for name in names if name.startswith(_IDENTITY))


# -- extensions ---------------------------------------------------------------------------------

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


def parse_extensions(values: Iterable[bytes]) -> tuple[bytes, ...]:
    """Name the extensions in all lines of the field, in order.

    Raises ``ValueError`` for a malformed list.
    """
    # A line is parsed by itself: joined, an open quote could swallow the next line.
    return tuple(name for value in values for name in _names(value))


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


# -- heads --------------------------------------------------------------------------------------

# Complete lines up to the empty one; possessive, so that it runs in linear time.
_LINES = re.compile(rb"(?:(?!\r\n)[^\n]++(?<=\r)\n)*+")
# A header of a well-formed head, without the space around its value.
_FIELD = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")
# It starts with the rarer byte, so that the search skips from line to line.
_TRAILING_SPACE = re.compile(rb"\r(?<=[ \t]\r)")
# RFC 9112 section 3: single spaces, an upper-case method, a target in origin-form, no fragment.
_REQUEST_LINE = re.compile(rb'(?!(?:CONNECT|TRACE) )([A-Z-]+) (/[!"$-~]*) HTTP/1\.([01])')
_ALLOW = ((b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),)
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
        buffer = self._buffer + data
        # RFC 9112 section 2.2: empty lines before a request mean nothing.
        while buffer.startswith(b"\r\n"):
            buffer = buffer.removeprefix(b"\r\n")
            self._room -= 2
        self._buffer = buffer
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

    @property
    def has_body(self) -> bool:
        """Whether bytes of the request follow the head."""
        return bool(self.values(b"transfer-encoding")) or any(
            map(int, self.values(b"content-length"))
        )

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
        if seen and not (seen[:1].isupper() or seen == b"\r"):
            self._refuse(_not_a_request(seen))
        target = _STARTED_TARGET.match(seen)
        if target and target.end(1) - target.start(1) > self._limits.target_bytes:
            limit = self._limits.target_bytes
            raise Reject(414, f"The target is longer than {limit} bytes; shorten the URL.")

    def _first_line(self, line: bytes) -> None:
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            if line.startswith((b"CONNECT ", b"TRACE ")):
                raise Reject(
                    405, "Neither CONNECT nor TRACE is served; use another method.", _ALLOW
                )
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
        if encodings and tokens(encodings) != [b"chunked"]:
            self._refuse("The only transfer coding taken is chunked")

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
            return ChunkedBody(self._limits.headers)
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
        """RFC 9112 section 7.4: nobody was asked for another coding than chunked."""
        if not self.values(b"transfer-encoding"):
            return
        codings = tokens(self.values(b"transfer-encoding"))
        if self.version == (1, 0) or codings != [b"chunked"]:
            self._refuse("its Transfer-Encoding is something else than chunked")

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


# -- the handshake ------------------------------------------------------------------------------

# RFC 6455 section 4.2.1 item 5: base64 of 16 bytes.
_KEY = re.compile(rb"[0-9A-Za-z+/]{22}==")

_NOT_TUNNELLED = HOP_BY_HOP | {b"content-length"}
# Trailers are relayed with their chunks, so what announces both goes along.
_CHUNKED = frozenset({b"trailer", b"transfer-encoding"})
_UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"


@dataclass(slots=True)
class UpgradeRequest:
    """A valid opening handshake: what later steps read, and the headers to relay."""

    target: bytes
    host: bytes
    origin: bytes | None
    key: bytes
    protocols: tuple[bytes, ...]
    extensions: tuple[bytes, ...]
    headers: Headers
    names: list[bytes]
    nominated: frozenset[bytes]
    dropped: int


@dataclass(slots=True)
class UpgradeResponse:
    """A 101 that answers its request, with what the two peers agreed on."""

    protocol: bytes | None
    extensions: tuple[bytes, ...]
    headers: Headers
    names: list[bytes]
    nominated: frozenset[bytes]


def judge(head: RequestHead) -> UpgradeRequest:
    """Hold a request against RFC 6455 section 4.2.1.

    Raises ``Reject``: 426 for what is no WebSocket handshake of version 13, 400 for a faulty one.
    """
    connection = tokens(head.values(b"connection"))
    _check_upgrade(head, connection)
    offered = head.values(b"sec-websocket-protocol")
    return UpgradeRequest(
        target=head.target,
        host=head.values(b"host")[0],
        origin=_origin(head),
        key=_key(head),
        protocols=_protocols(offered) if offered else (),
        extensions=_offered_extensions(head),
        headers=head.headers,
        names=head.names,
        nominated=nominated(connection),
        dropped=head.dropped,
    )


def upgrade_request(request: UpgradeRequest, forwarded: Forwarded) -> bytes:
    """Build the request to the upstream."""
    names, headers = request.names, request.headers
    added, replaced = forwarding(names, headers, request.host, forwarded)
    dropped = _NOT_TUNNELLED.union(replaced, request.nominated)
    relayed = lines(names, headers, dropped)
    return b"GET %b HTTP/1.1\r\n%b%b%b\r\n" % (request.target, relayed, _UPGRADE, added)


def check_answer(request: UpgradeRequest, response: ResponseHead) -> UpgradeResponse | None:
    """Hold the upstream's answer against RFC 6455 section 4.1; None for any but a 101.

    Raises ``UpstreamReject`` for a 101 that does not answer this request.
    """
    if response.status != 101:
        return None
    connection = tokens(response.values(b"connection"))
    if response.version != (1, 1):
        raise UpstreamReject("The upstream switched protocols in HTTP/1.0.")
    if [value.lower() for value in response.values(b"upgrade")] != [b"websocket"]:
        raise UpstreamReject("The upstream's 101 does not say Upgrade: websocket.")
    if b"upgrade" not in connection:
        raise UpstreamReject("The upstream's 101 does not say Connection: Upgrade.")
    if response.values(b"sec-websocket-accept") != [accept_key(request.key)]:
        raise UpstreamReject("The upstream's Sec-WebSocket-Accept does not match the key.")
    return UpgradeResponse(
        protocol=_agreed_protocol(request, response),
        extensions=_agreed_extensions(request, response),
        headers=response.headers,
        names=response.names,
        nominated=nominated(connection),
    )


def switching_response(response: UpgradeResponse) -> bytes:
    """Build the 101 to the downstream; the Accept among its headers has been checked."""
    relayed = lines(response.names, response.headers, _NOT_TUNNELLED | response.nominated)
    return b"HTTP/1.1 101 Switching Protocols\r\n%b%b\r\n" % (_UPGRADE, relayed)


def relayed_response(response: ResponseHead) -> bytes:
    """Build the head of any other answer; its body follows as it comes."""
    dropped = HOP_BY_HOP | nominated(tokens(response.values(b"connection")))
    if response.has_chunked_body:
        dropped -= _CHUNKED
    if response.status == 204:
        dropped |= {b"content-length"}  # RFC 9110 section 8.6: a 204 has none
    relayed = lines(response.names, response.headers, dropped)
    # RFC 9110 section 15.5.22: a 426 has an Upgrade field, and we offer only one protocol.
    closing = b"Connection: close\r\n"
    if response.status == 426:
        closing = b"Connection: close, Upgrade\r\nUpgrade: websocket\r\n"
    status = b"HTTP/1.1 %d %b\r\n" % (response.status, response.reason)
    return b"%b%b%b\r\n" % (status, relayed, closing)


def _check_upgrade(head: RequestHead, connection: list[bytes]) -> None:
    upgrade = tokens(head.values(b"upgrade"))
    if not upgrade:
        raise Reject(426, "This address serves WebSockets; open it with a WebSocket client.")
    if b"websocket" not in upgrade:
        raise Reject(426, "Upgrades to websocket only; open this address with a WebSocket client.")
    if b"upgrade" not in connection:
        raise Reject(
            426,
            "The Connection header does not say Upgrade; look for a proxy on the way removing it.",
        )
    if head.method != b"GET":
        raise Reject(400, "A WebSocket handshake is a GET request; send it as one.")
    if head.has_body:
        raise Reject(400, "A WebSocket handshake has no body; send what follows in frames.")
    if head.values(b"sec-websocket-version") != [b"13"]:
        raise Reject(
            426,
            "Sec-WebSocket-Version must be 13; use a client that follows RFC 6455.",
            ((b"Sec-WebSocket-Version", b"13"),),  # RFC 6455 section 4.4
        )


def _origin(head: RequestHead) -> bytes | None:
    origins = head.values(b"origin")
    if len(origins) > 1:
        # RFC 6454 section 7.3; the one we check might not be the one the upstream reads.
        raise Reject(400, "Origin must be sent at most once; send only the page's own origin.")
    return origins[0] if origins else None


def _key(head: RequestHead) -> bytes:
    keys = head.values(b"sec-websocket-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise Reject(400, "Sec-WebSocket-Key must be sent once, as the base64 of 16 bytes.")
    return keys[0]


def _protocols(values: list[bytes]) -> tuple[bytes, ...]:
    """Subprotocols, whose names are case-sensitive."""
    elements = b",".join(values).split(b",")
    return tuple([name for element in elements if (name := element.strip(b" \t"))])


def _offered_extensions(head: RequestHead) -> tuple[bytes, ...]:
    try:
        return parse_extensions(head.values(b"sec-websocket-extensions"))
    except ValueError as error:
        raise Reject(400, f"{error}; offer a list as RFC 6455 section 9.1 has it.") from error


def _agreed_protocol(request: UpgradeRequest, response: ResponseHead) -> bytes | None:
    chosen = response.values(b"sec-websocket-protocol")
    if not chosen:
        return None
    if len(chosen) > 1 or chosen[0] not in request.protocols:
        raise UpstreamReject("The upstream chose a subprotocol that the client did not offer.")
    return chosen[0]


def _agreed_extensions(request: UpgradeRequest, response: ResponseHead) -> tuple[bytes, ...]:
    try:
        agreed = parse_extensions(response.values(b"sec-websocket-extensions"))
    except ValueError as error:
        raise UpstreamReject(f"The upstream's answer holds a {error}.") from error
    if not set(agreed) <= set(request.extensions):
        raise UpstreamReject("The upstream chose an extension that the client did not offer.")
    return agreed


def accept_key(key: bytes) -> bytes:
    return b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


# -- the path -----------------------------------------------------------------------------------

_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")


def normal_path(target: bytes) -> bytes:
    """Decode, merge slashes (as nginx's merge_slashes does) and resolve dot segments.

    Raises ``Reject`` (400) for a malformed or NUL escape and for a path that climbs above the
    root: what a route would match and what the upstream would serve could differ.
    """
    path = target.partition(b"?")[0]
    if b"%" in path:
        path = _decoded(path)
    if b"//" in path or b"/." in path:
        path = _resolved(path)
    return path


def _decoded(path: bytes) -> bytes:
    if _MALFORMED.search(path):
        raise Reject(400, "The path holds a malformed or NUL percent escape; correct the URL.")
    return unquote_to_bytes(path)


def _resolved(path: bytes) -> bytes:
    """RFC 3986 section 5.2.4, after empty segments are gone."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if not kept:
                raise Reject(400, "The path climbs above the root; correct the URL.")
            kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    # A last segment of these names a folder, and so ends in a slash.
    folder = kept and path.endswith((b"/", b"/.", b"/.."))
    return b"/" + b"/".join(kept) + (b"/" if folder else b"")
