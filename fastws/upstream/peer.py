"""One server of an upstream, under one configuration; its state outlives that."""

import ssl
from dataclasses import dataclass, field

from fastws._board import Board, PeerState
from fastws.config.model import Address
from fastws.upstream import passive
from fastws.upstream.place import pack_address


def lone_state(weight: int) -> PeerState:
    """Return the state of a peer that no other process knows."""
    state = Board(workers=1, peers=1, tunnels=0).peer(0)
    state.reset(weight)
    return state


@dataclass(slots=True, eq=False)
class Peer:
    """Where it is, how it is spoken to, and its share of the connections.

    ``tls`` is the client's context for a ``wss`` address, else None; ``server_name`` is what its
    certificate has to be for. It takes at most ``max_conns`` connections (0: any number), and none
    if it is ``down``. ``fail_timeout`` is in nanoseconds; with ``max_fails`` 0 it never loses
    trust. ``name`` is what consistent hashing and sticky cookies know it by. ``state`` is what all
    workers count of it. ``host`` is the Host header of a request that has none; ``place`` is its
    packed address, None if it has a name to be looked up.
    """

    address: Address
    state: PeerState = field(repr=False)
    weight: int = 1
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    down: bool = False
    max_conns: int = 0
    max_fails: int = 1
    fail_timeout: int = 10_000_000_000
    name: str = ""
    host: bytes = field(init=False, repr=False)
    place: bytes | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.name = self.name or self.address.authority
        self.host = b"localhost" if self.address.path else self.address.authority.encode()
        self.place = pack_address(self.address)

    def __str__(self) -> str:
        return self.address.authority

    @property
    def available(self) -> bool:
        """Whether it may be picked."""
        state = self.state
        return (
            not self.down
            and not state.drained
            and (not state.failures or passive.is_trusted(self))
            and (not self.max_conns or state.connections < self.max_conns)
        )
