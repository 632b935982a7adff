"""By the client's address: an IPv4 network of 256 addresses goes to one peer."""

from collections.abc import Iterator, Sequence

from fastws.upstream.balancers.draw import Lots
from fastws.upstream.balancers.round_robin import RoundRobin
from fastws.upstream.client import Client
from fastws.upstream.key import binary_remote_addr
from fastws.upstream.peer import Peer

# Behind a Unix socket.
_NOWHERE = bytes(3)


class IpHash:
    """nginx's ``ip_hash``, number by number."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._lots = Lots(peers)
        self._otherwise = RoundRobin(peers)

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:
        """Choose the peer of the client's network."""
        peer = self._lots.draw(_numbers(_network(client)), tried)
        return peer or self._otherwise.pick(tried, client)


def _network(client: Client) -> bytes:
    if not client.host:
        return _NOWHERE
    address = binary_remote_addr(client)
    return address[:3] if len(address) == 4 else address


def _numbers(network: bytes) -> Iterator[int]:
    number = 89
    while True:
        for octet in network:
            number = (number * 113 + octet) % 6271
        yield number
