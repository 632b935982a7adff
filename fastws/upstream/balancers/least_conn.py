"""Least connections, by weight: who has the fewest is next, and among equals round robin."""

from collections.abc import Sequence

from fastws.upstream.balancers import untried
from fastws.upstream.balancers.round_robin import next_in_turn
from fastws.upstream.client import Client
from fastws.upstream.peer import Peer


class LeastConn:
    """nginx's ``least_conn``."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:  # noqa: ARG002
        """Choose the least busy peer."""
        candidates = untried(self._peers, tried)
        if not candidates:
            return None
        loads = [peer.state.connections / peer.weight for peer in candidates]
        least = min(loads)
        idlest = [peer for peer, load in zip(candidates, loads, strict=True) if load == least]
        return idlest[0] if len(idlest) == 1 else next_in_turn(idlest)
