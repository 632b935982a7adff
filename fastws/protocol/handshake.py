"""The opening handshake of RFC 6455, section 4, on both sides of the proxy."""

import re
from dataclasses import dataclass

from fastws._relay import accept_key
from fastws.errors import Reject, UpstreamReject
from fastws.protocol import extensions
from fastws.protocol.head import RequestHead, ResponseHead
from fastws.protocol.headers import (
    HOP_BY_HOP,
    Forwarded,
    Headers,
    forwarding,
    lines,
    nominated,
    tokens,
)

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
        return extensions.parse(head.values(b"sec-websocket-extensions"))
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
        agreed = extensions.parse(response.values(b"sec-websocket-extensions"))
    except ValueError as error:
        raise UpstreamReject(f"The upstream's answer holds a {error}.") from error
    if not set(agreed) <= set(request.extensions):
        raise UpstreamReject("The upstream chose an extension that the client did not offer.")
    return agreed
