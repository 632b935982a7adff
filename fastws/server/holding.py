"""Listening sockets on their way from one process to another."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from fastws.config.model import Address

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator, Mapping

    from fastws.server.listener import Set

# An address as it is configured, and which of several the same it is: of port 0 there may be some.
Key = tuple[Address, int]


class Holding(msgspec.Struct, frozen=True):
    """How many sockets each set has: the sockets themselves go beside it, in their order."""

    sizes: tuple[tuple[Key, tuple[int, ...]], ...] = ()

    @property
    def count(self) -> int:
        """How many sockets there are."""
        return sum(map(sum, (sizes for _, sizes in self.sizes)))


def sockets_of(sets: Mapping[Key, list[Set]]) -> Iterator[socket.socket]:
    """Return all sockets of these sets, in their order."""
    return chain.from_iterable(chain.from_iterable(sets.values()))


def pack(sets: Mapping[Key, list[Set]]) -> tuple[Holding, list[socket.socket]]:
    """Return what another process needs to `unpack` the same."""
    sizes = tuple((key, tuple(map(len, some))) for key, some in sets.items())
    return Holding(sizes), list(sockets_of(sets))


def unpack(holding: Holding, sockets: Iterable[socket.socket]) -> dict[Key, list[Set]]:
    """Return what was packed."""
    these = iter(sockets)
    return {
        key: [[next(these) for _ in range(size)] for size in sizes] for key, sizes in holding.sizes
    }
