"""The sockets of all listeners, which the supervisor holds for the workers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fastws.config.model import Address, Config
from fastws.errors import FastwsError
from fastws.server import listener
from fastws.server.messages import Door
from fastws.server.upgrade import Held

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Iterator, Sequence

# An address as it is configured, and which of several the same it is: of port 0 there may be some.
_Key = tuple[Address, int]


class Listeners:
    """Sockets for so many workers at each address of a configuration."""

    def __init__(self, workers: int, inherited: Sequence[socket.socket] = ()) -> None:
        self._workers = workers
        self._inherited = list(inherited)
        self._open: dict[_Key, list[list[socket.socket]]] = {}
        self._indices: dict[_Key, int] = {}

    def changed_to(self, config: Config, shut: Collection[str] = ()) -> Listeners:
        """Return those of another configuration, which has the sockets that are open already.

        Those at an address that is ``shut`` are left out. Raises FastwsError when one cannot be
        opened; then none is.
        """
        new = Listeners(self._workers, self._inherited)
        try:
            for i, key in enumerate(_keys(config)):
                if str(key[0]) not in shut:
                    new._indices[key] = i
                    new._open[key] = self._open.get(key) or self._opened(key[0])
        except FastwsError:
            new.close(keep=self)
            raise
        return new

    def held(self) -> tuple[tuple[Held, ...], list[socket.socket]]:
        """Return what another process needs to have the same sockets, and these."""
        sockets: dict[socket.socket, int] = {}
        held = tuple(
            Held(
                address,
                nth,
                tuple(
                    tuple(sockets.setdefault(sock, len(sockets)) for sock in some) for some in sets
                ),
            )
            for (address, nth), sets in self._open.items()
        )
        return held, list(sockets)

    def inherit(self, held: Sequence[Held], sockets: Sequence[socket.socket]) -> None:
        """Have the sockets of another process.

        Where that had fewer workers, some share theirs; where it had more, some sockets are over,
        and who waits there is turned away.
        """
        for each in held:
            count = len(each.sets)
            self._open[each.address, each.nth] = [
                [sockets[i] for i in each.sets[place % count]] for place in range(self._workers)
            ]
        ours = {sock for sets in self._open.values() for some in sets for sock in some}
        for sock in sockets:
            if sock not in ours:
                sock.close()

    def release(self) -> None:
        """Let go of sockets that another process has."""
        for sets in self._open.values():
            for sockets in sets:
                for sock in sockets:
                    sock.close()
        self._open = {}

    @property
    def doors(self) -> tuple[Door, ...]:
        """What the workers are told of them."""
        return tuple(
            Door(listener=self._indices[key], sockets=len(sets[0]))
            for key, sets in self._open.items()
        )

    @property
    def addresses(self) -> list[Address]:
        """Where they listen, with the ports that the kernel chose."""
        return [listener.bound_address(key[0], sets[0]) for key, sets in self._open.items()]

    def sockets(self, place: int) -> list[socket.socket]:
        """Return those of one worker, in the order of the doors."""
        return [sock for sets in self._open.values() for sock in sets[place]]

    def named(self, text: str) -> str:
        """Return the name of the listener at an address, as it is configured or bound; or ""."""
        for (address, _), sets in self._open.items():
            for known in (address, listener.bound_address(address, sets[0])):
                if text in (str(known), known.authority):
                    return str(address)
        return ""

    def close(self, keep: Listeners | None = None) -> None:
        """Listen no more, but for those of ``keep``."""
        kept = keep._open if keep else {}  # noqa: SLF001 - one of our kind
        for key in [key for key in self._open if key not in kept]:
            for sockets in self._open.pop(key):
                for sock in sockets:
                    sock.close()
            listener.unlink([key[0]])

    def _opened(self, address: Address) -> list[list[socket.socket]]:
        """Return the socket that was opened for us, or open some."""
        for sock in self._inherited:
            if listener.is_at(sock, address):
                self._inherited.remove(sock)
                return [[sock]] * self._workers
        return listener.bind(address, self._workers)


def _keys(config: Config) -> Iterator[_Key]:
    seen: Counter[Address] = Counter()
    for each in config.listeners:
        yield each.address, seen[each.address]
        seen[each.address] += 1
