"""The methods to choose a peer by: a file for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fastws.upstream.client import Client
    from fastws.upstream.peer import Peer


class Balancer(Protocol):
    """A method."""

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:
        """Choose an available peer that is not among those ``tried``; None if there is none."""


def untried(peers: Sequence[Peer], tried: Collection[Peer]) -> list[Peer]:
    """Return the peers that can be picked."""
    return [peer for peer in peers if peer.available and peer not in tried]
