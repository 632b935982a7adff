"""By the hash of a key, on a ring: few keys move when a peer comes or goes."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from zlib import crc32

from fastws.upstream.balancers import untried
from fastws.upstream.balancers.draw import MISSES
from fastws.upstream.balancers.round_robin import RoundRobin, next_in_turn
from fastws.upstream.client import Client
from fastws.upstream.key import Key
from fastws.upstream.peer import Peer

_POINTS = 160  # for each unit of weight

_HOST_PORT = re.compile(r"(.*):(\d*)", re.ASCII | re.DOTALL)


class ConsistentHash:
    """nginx's ``hash KEY consistent``, point by point, which is that of Cache::Memcached::Fast."""

    def __init__(self, peers: Sequence[Peer], key: Key) -> None:
        self._key = key
        self._otherwise = RoundRobin(peers)
        self._by_name: dict[str, list[Peer]] = {}
        for peer in peers:
            self._by_name.setdefault(peer.name, []).append(peer)
        ring = {point: peer.name for peer in reversed(peers) for point in _points(peer)}
        self._points = sorted(ring)
        self._names = [ring[point] for point in self._points]

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:
        """Choose the peer of the next point on the ring, or of one of those behind it."""
        if key := self._key(client):
            place = bisect_left(self._points, crc32(key))
            for i in range(place, place + MISSES + 1):
                name = self._names[i % len(self._names)]
                if peer := next_in_turn(untried(self._by_name[name], tried)):
                    return peer
        return self._otherwise.pick(tried, client)


def _points(peer: Peer) -> Iterator[int]:
    """Hash host, NUL, port, and the point before."""
    start = crc32(_without_colon(peer.name))
    point = 0
    for _ in range(peer.weight * _POINTS):
        point = crc32(point.to_bytes(4, "little"), start)
        yield point


def _without_colon(name: str) -> bytes:
    if name.startswith("unix:"):
        return name.removeprefix("unix:").encode() + b"\0"
    match = _HOST_PORT.fullmatch(name)
    return "\0".join(match.groups() if match else (name, "")).encode()
