"""Header fields on their way through a proxy: which end here, and which we add."""

from collections.abc import Iterable
from dataclasses import dataclass

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


@dataclass(slots=True)
class Forwarded:
    """What the upstream is told about the client.

    ``client`` is its address, or ``b"unknown"`` behind a Unix socket; a ``trusted`` peer is a
    proxy whose own forwarding headers are believed.
    """

    client: bytes
    tls: bool
    trusted: bool


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
