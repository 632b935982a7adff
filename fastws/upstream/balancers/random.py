"""At random, by weight; or the less busy of two who were drawn so."""

import random
from collections.abc import Iterator, Sequence

from fastws.upstream.balancers.draw import MISSES, Lots
from fastws.upstream.balancers.round_robin import RoundRobin
from fastws.upstream.client import Client
from fastws.upstream.peer import Peer


class Random:
    """nginx's ``random``."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._lots = Lots(peers)
        self._otherwise = RoundRobin(peers)

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:
        """Choose any peer."""
        peer = self._lots.draw(_numbers(self._lots), tried)
        return peer or self._otherwise.pick(tried, client)


class RandomTwo:
    """nginx's ``random two least_conn``."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._lots = Lots(peers)
        self._otherwise = RoundRobin(peers)

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:
        """Choose the one of two with fewer connections."""
        misses = 0
        first = None
        for number in _numbers(self._lots):
            peer = self._lots.holder(number)
            if peer is first or peer in tried or not peer.available:
                misses += 1
                if misses > MISSES:
                    break
            elif first is None:
                first = peer
            else:
                return first if _load(peer) > _load(first) else peer
        return self._otherwise.pick(tried, client)


def _numbers(lots: Lots) -> Iterator[int]:
    while True:
        yield random.randrange(lots.count)  # noqa: S311 - nothing is secret here


def _load(peer: Peer) -> float:
    return peer.state.connections / peer.weight
