"""The right to one connection to a peer, from the pick until the connection's end."""

from fastws.upstream import passive
from fastws.upstream.peer import Peer


def take(peer: Peer) -> "Lease | None":
    """Return a lease of ``peer``; None if somebody else has just got the last one."""
    return Lease(peer) if peer.state.acquire(peer.max_conns) else None


class Lease:
    """Counts as one of the peer's connections, which it was counted as, until it is released."""

    __slots__ = ("_held", "peer")

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._held = True
        if peer.state.failures:
            passive.picked(peer)

    def failed(self) -> None:
        """Release it: the peer could not be reached, or gave no answer."""
        passive.failed(self.peer)
        self.release()

    def answered(self) -> None:
        """Note that the peer works."""
        if self.peer.state.failures:
            passive.answered(self.peer)

    def release(self) -> None:
        """Count the connection out; once is enough."""
        if self._held:
            self._held = False
            self.peer.state.release()
