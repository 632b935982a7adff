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
_IDENTITY = frozenset({b"forwarded", b"x-real-ip"})

# Neither may a peer take these away by naming them in Connection: it would change what the
# request means, or hide who sent it.
_NOT_NOMINABLE = frozenset({b"content-length", b"host"}) | _IDENTITY | HOP_BY_HOP
_NOT_NOMINABLE_PREFIXES = (b"sec-websocket-", b"x-forwarded-")

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


def nominated(connection: Iterable[bytes]) -> frozenset[bytes]:
    """Tell which names besides the hop-by-hop ones all Connection tokens ask to be removed."""
    return frozenset(
        token
        for token in connection
        if token not in _NOT_NOMINABLE and not token.startswith(_NOT_NOMINABLE_PREFIXES)
    )


def lines(names: Iterable[bytes], headers: Headers, dropped: frozenset[bytes]) -> list[bytes]:
    """Format every header whose lower-cased name is not ``dropped``, exact and in order."""
    return [
        b"%b: %b\r\n" % header
        for name, header in zip(names, headers, strict=True)
        if name not in dropped
    ]


def forwarding(
    names: list[bytes], headers: Headers, host: bytes, forwarded: Forwarded
) -> tuple[bytes, frozenset[bytes]]:
    """Make our own forwarding headers, and name those of the client that give way to them."""
    ours = (
        (b"X-Forwarded-For", forwarded.client),
        (b"X-Forwarded-Proto", b"https" if forwarded.tls else b"http"),
        (b"X-Forwarded-Host", host),
        (b"X-Real-IP", forwarded.client),
    )
    if forwarded.trusted:
        return _completed(names, headers, ours)
    theirs = [name for name in names if name.startswith(b"x-forwarded-") or name in _IDENTITY]
    return b"".join([b"%b: %b\r\n" % header for header in ours]), frozenset(theirs)


def _completed(
    names: list[bytes], headers: Headers, ours: tuple[tuple[bytes, bytes], ...]
) -> tuple[bytes, frozenset[bytes]]:
    """Append to a trusted peer's X-Forwarded-For, and add what else it left out."""
    chain = [header[1] for name, header in zip(names, headers, strict=True) if name == _CHAIN]
    chain.append(ours[0][1])
    missing = [header for header in ours[1:] if header[0].lower() not in names]
    added = [(ours[0][0], b", ".join(filter(None, chain))), *missing]
    return b"".join([b"%b: %b\r\n" % header for header in added]), frozenset({_CHAIN})
