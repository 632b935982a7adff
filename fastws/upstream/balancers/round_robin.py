"""Weighted round robin, smooth: of weights 5, 1 and 1 the five are spread among the two."""

from collections.abc import Collection, Sequence

from fastws.upstream.peer import Peer


class RoundRobin:
    """nginx's method without a directive.

    Every peer gains its weight; the richest is picked, and pays the total.
    """

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers
        self._credit = dict.fromkeys(peers, 0)

    def pick(self, tried: Collection[Peer]) -> Peer | None:
        """Choose the next peer that is not among those ``tried``; None if there is none left."""
        if len(self._peers) == 1 and not tried:
            return self._peers[0]
        candidates = [peer for peer in self._peers if peer not in tried]
        if not candidates:
            return None
        for peer in candidates:
            self._credit[peer] += peer.weight
        best = max(candidates, key=self._credit.__getitem__)
        self._credit[best] -= sum(peer.weight for peer in candidates)
        return best
