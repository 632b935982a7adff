"""The sockets of all listeners, which the supervisor holds for the workers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fastws.errors import FastwsError
from fastws.server import listener
from fastws.server.holding import pack, sockets_of, unpack

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from fastws.config.model import Address, Config
    from fastws.server.holding import Holding, Key
    from fastws.server.listener import Set
    from fastws.server.messages import Door


class Listeners:
    """Sets of sockets at each address of a configuration, shared out among so many workers.

    Those that are ``given`` somebody else has opened, who keeps them: they stay open.
    """

    def __init__(self, given: Sequence[socket.socket] = ()) -> None:
        self._workers = 1
        self.given = tuple(given)
        self._open: dict[Key, list[Set]] = {}
        self._indices: dict[Key, int] = {}

    def changed_to(self, config: Config, workers: int, shut: Collection[str] = ()) -> Listeners:
        """Return those of another configuration, which has the sockets that are open already.

        Those at an address that is ``shut`` are left out. Raises FastwsError when one cannot be
        opened; then none is.
        """
        new = Listeners(self.given)
        new._workers = workers
        try:
            for i, key in enumerate(_keys(config)):
                if str(key[0]) not in shut:
                    new._indices[key] = i
                    new._open[key] = self._open.get(key) or [new._opened(key[0])]
                    new._open[key] = listener.spread(key[0], new._open[key], workers)
        except FastwsError:
            new.close(keep=self)
            raise
        return new

    def held(self) -> tuple[Holding, list[socket.socket]]:
        """Return what another process needs to have the same sockets, and these."""
        return pack(self._open)

    def inherit(self, holding: Holding, sockets: Iterable[socket.socket]) -> None:
        """Have those of another process."""
        self._open = unpack(holding, sockets)

    def release(self) -> None:
        """Let go of sockets that another process has."""
        listener.close(sockets_of(self._open))
        self._open = {}

    @property
    def addresses(self) -> list[Address]:
        """Where they listen, with the ports that the kernel chose."""
        return [listener.bound_address(key[0], sets[0]) for key, sets in self._open.items()]

    def doors(self, place: int) -> list[Door]:
        """Return those of one worker; one that there is no place for has none."""
        return [
            (self._indices[key], sock)
            for key, sets in self._open.items()
            for some in sets[place % len(sets) :: self._workers]
            for sock in some
            if place < self._workers
        ]

    def named(self, text: str) -> str:
        """Return the name of the listener at an address, as it is configured or bound; or ""."""
        for (address, _), sets in self._open.items():
            for known in (address, listener.bound_address(address, sets[0])):
                if text in (str(known), known.authority):
                    return str(address)
        return ""

    def close(self, keep: Listeners | None = None) -> None:
        """Listen no more, but at the sockets of ``keep``."""
        kept = dict(keep._open) if keep else {}  # noqa: SLF001 - one of our kind
        kept_sockets = set(sockets_of(kept))
        listener.close(sock for sock in sockets_of(self._open) if sock not in kept_sockets)
        over = [key[0] for key in self._open if key not in kept]
        listener.unlink(address for address in over if not self._given_at(address))
        self._open = {}

    def _opened(self, address: Address) -> Set:
        """Return the sockets that were opened for us, or open some."""
        return [sock.dup() for sock in self._given_at(address)] or listener.bind(address)

    def _given_at(self, address: Address) -> Set:
        return [sock for sock in self.given if listener.is_at(sock, address)]


def _keys(config: Config) -> Iterator[Key]:
    seen: Counter[Address] = Counter()
    for each in config.listeners:
        yield each.address, seen[each.address]
        seen[each.address] += 1
