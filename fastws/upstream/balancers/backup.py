"""Two groups of peers: the backups are for when none of the others is available."""

from collections.abc import Sequence

from fastws.upstream.balancers import Balancer
from fastws.upstream.client import Client
from fastws.upstream.peer import Peer


class Backup:
    """Each group is balanced by itself."""

    def __init__(self, first: Balancer, then: Balancer) -> None:
        self._first = first
        self._then = then

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:
        """Choose from the first group that has somebody to offer."""
        return self._first.pick(tried, client) or self._then.pick(tried, client)
