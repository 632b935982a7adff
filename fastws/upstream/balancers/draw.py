"""Drawing lots: peers hold as many of them as they have weight."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from fastws.upstream.peer import Peer

# nginx's patience, in all methods that draw; then it is round robin's turn.
MISSES = 20


class Lots:
    """The lots of all peers, the available and the others: so a lot always means the same one."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers
        self._ends = list(accumulate(peer.weight for peer in peers))
        self.count = self._ends[-1] if peers else 1

    def holder(self, number: int) -> Peer:
        """Return whose lot it is."""
        return self._peers[bisect_right(self._ends, number % self.count)]

    def draw(self, numbers: Iterable[int], tried: Sequence[Peer]) -> Peer | None:
        """Return the first holder who can be picked; None after too many who cannot.

        A peer that was picked before, and is tried now, was no miss when it was drawn.
        """
        misses = drawn = 0
        for number in numbers:
            peer = self.holder(number)
            if drawn < len(tried) and peer is tried[drawn]:
                drawn += 1
            elif peer.available and peer not in tried:
                return peer
            elif misses == MISSES:
                return None
            else:
                misses += 1
        return None
