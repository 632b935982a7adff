"""The sockets of all listeners, which the supervisor holds for the workers."""

import socket
from collections import Counter
from collections.abc import Iterator

from fastws.config.model import Address, Config
from fastws.server import listener
from fastws.server.messages import Door

# An address as it is configured, and which of several the same it is: of port 0 there may be some.
_Key = tuple[Address, int]


class Listeners:
    """Sockets for so many workers at each address of a configuration."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._open: dict[_Key, list[list[socket.socket]]] = {}

    def open(self, config: Config) -> None:
        """Listen where ``config`` says. Raises FastwsError when that cannot be."""
        for key in _keys(config):
            self._open[key] = listener.bind(key[0], self._workers)

    @property
    def doors(self) -> tuple[Door, ...]:
        """What the workers are told of them."""
        return tuple(
            Door(listener=i, sockets=len(sets[0])) for i, sets in enumerate(self._open.values())
        )

    @property
    def addresses(self) -> list[Address]:
        """Where they listen, with the ports that the kernel chose."""
        return [listener.bound_address(key[0], sets[0]) for key, sets in self._open.items()]

    def sockets(self, place: int) -> list[socket.socket]:
        """Return those of one worker, in the order of the doors."""
        return [sock for sets in self._open.values() for sock in sets[place]]

    def close(self) -> None:
        """Listen no more."""
        for sets in self._open.values():
            for sockets in sets:
                for sock in sockets:
                    sock.close()
        listener.unlink(key[0] for key in self._open)
        self._open = {}


def _keys(config: Config) -> Iterator[_Key]:
    seen: Counter[Address] = Counter()
    for each in config.listeners:
        yield each.address, seen[each.address]
        seen[each.address] += 1
