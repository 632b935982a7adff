"""Which place on the board each server has: the same one from one configuration to the next."""

from collections import Counter
from collections.abc import Iterable, Iterator

from fastws._board import Board, PeerState
from fastws.config.model import Config, Server
from fastws.errors import FastwsError

# Upstream, address, and which of several with the same address it is.
_Key = tuple[str, str, int]


class PeerTable:
    """Gives servers their places, and takes back those of servers that are gone.

    A place is given away again when nobody is connected there any more, the longest free first: a
    request that began under an older configuration may still pick its server.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._numbers: dict[_Key, int] = {}
        self._weights: dict[_Key, int] = {}
        self._departed: dict[_Key, None] = {}

    @property
    def places(self) -> tuple[tuple[str, str, int, int], ...]:
        """Who has which place, those included that are gone; for another process."""
        return tuple((*key, number) for key, number in self._numbers.items())

    def inherit(self, places: Iterable[tuple[str, str, int, int]]) -> None:
        """Give servers the places that they had in another process; the others come after them."""
        for upstream, address, nth, number in places:
            key = (upstream, address, nth)
            self._numbers[key] = number
            self._weights[key] = 0
            self.state(key).reset(0)

    def assign(self, config: Config) -> dict[str, tuple[int, ...]]:
        """Return the places of the servers of each upstream, in their order.

        Raises FastwsError when there is no room for all of them.
        """
        numbers: dict[str, list[int]] = {upstream.name: [] for upstream in config.upstreams}
        for key, server in _keys(config):
            if key not in self._numbers:
                self._numbers[key] = self._place()
                self.state(key).reset(server.weight)
                self._weights[key] = server.weight
            numbers[key[0]].append(self._numbers[key])
        return {name: tuple(places) for name, places in numbers.items()}

    def settle(self, config: Config) -> None:
        """Note that ``config`` is the one that holds now."""
        current = dict(_keys(config))
        self._departed = {
            **{key: None for key in self._departed if key not in current},
            **{key: None for key in self._numbers if key not in current},
        }
        for key, server in current.items():
            if self._weights[key] != server.weight:
                self._weights[key] = server.weight
                self.state(key).gain = server.weight
                self.state(key).credit = 0

    def numbers_of(self, address: str) -> list[int]:
        """Return the places of the servers at an address, whatever upstream they are of."""
        return [
            number
            for key, number in self._numbers.items()
            if key not in self._departed and address in (key[1], key[1].rpartition("://")[2])
        ]

    def address(self, number: int) -> str:
        """Return the address of the server at a place, without a scheme."""
        found = (key[1] for key, place in self._numbers.items() if place == number)
        return next(found, "").rpartition("://")[2]

    def state(self, key: _Key) -> PeerState:
        """Return what is counted of a server."""
        return self._board.peer(self._numbers[key])

    def _place(self) -> int:
        if len(self._numbers) < self._board.peers:
            return len(self._numbers)
        for key in self._departed:
            if not self.state(key).connections:
                del self._departed[key]
                return self._numbers.pop(key)
        raise FastwsError(f"there is room for {self._board.peers} servers, and no more")


def _keys(config: Config) -> Iterator[tuple[_Key, Server]]:
    for upstream in config.upstreams:
        seen: Counter[str] = Counter()
        for server in upstream.servers:
            address = str(server.address)
            yield (upstream.name, address, seen[address]), server
            seen[address] += 1
