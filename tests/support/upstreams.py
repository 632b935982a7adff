"""Peers and clients for balancers, without connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastws.config.model import Address
from fastws.upstream.lease import Lease, take
from fastws.upstream.peer import Peer, lone_state

if TYPE_CHECKING:
    from fastws.upstream.balancers import Balancer

SECOND = 1_000_000_000


@dataclass
class Asked:
    """A request."""

    target: bytes = b"/"
    host: bytes = b"example.com"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.headers if known.lower() == name]


@dataclass
class Asker:
    """A client."""

    host: str = "192.0.2.1"
    request: Asked = field(default_factory=Asked)


def asker(target: bytes = b"/", *headers: tuple[bytes, bytes], host: str = "192.0.2.1") -> Asker:
    return Asker(host, Asked(target, headers=list(headers)))


def peers(*weights: int, **more: Any) -> list[Peer]:
    """Peers a:80, b:80… of these weights."""
    return [
        Peer(Address(host=name, port=80), lone_state(weight), weight=weight, **more)
        for name, weight in zip("abcdefgh", weights, strict=False)
    ]


def picks(balancer: Balancer, count: int, *tried: Peer, client: Asker | None = None) -> str:
    """Who is picked, one after another."""
    client = client or Asker()
    return "".join(
        peer.address.host for _ in range(count) if (peer := balancer.pick(tried, client))
    )


def leased(peer: Peer) -> Lease:
    """A connection to a peer that has room for it."""
    lease = take(peer)
    assert lease
    return lease


def fill(peer: Peer, connections: int) -> None:
    """Give a peer so many connections."""
    while peer.state.connections < connections:
        peer.state.acquire()
    while peer.state.connections > connections:
        peer.state.release()
