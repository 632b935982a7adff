"""Weighted round robin, smooth: of weights 5, 1 and 1 the five are spread among the two."""

from collections.abc import Sequence

from fastws.upstream.balancers import untried
from fastws.upstream.client import Client
from fastws.upstream.peer import Peer


class RoundRobin:
    """nginx's method without a directive, and what other methods fall back on."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:  # noqa: ARG002
        """Choose the next peer."""
        if len(self._peers) == 1 and not tried:
            only = self._peers[0]
            return only if only.available else None
        return next_in_turn(untried(self._peers, tried))


def next_in_turn(candidates: Sequence[Peer]) -> Peer | None:
    """Choose one of the ``candidates``: every one gains; the richest is picked, and pays for all.

    A peer gains its weight. After a failure it gains less, and a little more from round to round.
    """
    best = None
    most = total = 0
    for peer in candidates:
        state = peer.state
        gain = state.gain
        total += gain
        credit = state.credit = state.credit + gain
        if gain < peer.weight:
            state.gain = gain + 1
        if best is None or credit > most:
            best, most = peer, credit
    if best is not None:
        best.state.credit = most - total
    return best
