"""By the hash of a key: most keys move when a peer comes or goes."""

from collections.abc import Iterator, Sequence
from itertools import count
from zlib import crc32

from fastws.upstream.balancers.draw import Lots
from fastws.upstream.balancers.round_robin import RoundRobin
from fastws.upstream.client import Client
from fastws.upstream.key import Key
from fastws.upstream.peer import Peer


class Hash:
    """nginx's ``hash KEY``, which is that of Cache::Memcached."""

    def __init__(self, peers: Sequence[Peer], key: Key) -> None:
        self._key = key
        self._lots = Lots(peers)
        self._otherwise = RoundRobin(peers)

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:
        """Choose the peer of the key; one that is empty has none."""
        key = self._key(client)
        peer = self._lots.draw(_numbers(key), tried) if key else None
        return peer or self._otherwise.pick(tried, client)


def _numbers(key: bytes) -> Iterator[int]:
    """Hash the key, then again with 1, 2, 3… before it, adding up."""
    number = _hash(key)
    yield number
    for again in count(1):
        number += _hash(b"%d%b" % (again, key))
        yield number


def _hash(data: bytes) -> int:
    return crc32(data) >> 16 & 0x7FFF
