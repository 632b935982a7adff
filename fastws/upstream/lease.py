"""The right to one connection to a peer, from the pick until the connection's end."""

from fastws.upstream import passive
from fastws.upstream.peer import Peer


def take(peer: Peer) -> "Lease | None":
    """Return a lease of ``peer``; None if somebody else has just got the last one."""
    if not peer.state.acquire(peer.max_conns):
        return None
    if peer.state.failures:
        passive.picked(peer)
    return Lease(peer)


def held(peer: Peer) -> "Lease":
    """Return a lease of ``peer`` for a connection that another worker has, and counts out."""
    peer.state.hold()
    return Lease(peer)


class Lease:
    """Counts as one of the peer's connections, which it was counted as, until it is released."""

    __slots__ = ("_held", "peer")

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._held = True

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
