"""What stands for a worker in tests of the supervisor's parts: it answers orders by a script."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import msgspec

from fastws._board import Board
from fastws.server import messages
from fastws.server.channel import Channel, pair
from fastws.server.child import Child

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_orders = msgspec.json.Decoder(messages.Order)


class Puppet:
    """The worker's end of a channel.

    ``obey(order)`` is called for each order and returns what is wrong, or None: then there is no
    answer at all. ``orders`` are all that came, ``descriptors`` how many with each.
    """

    def __init__(
        self, sock: socket.socket, obey: Callable[[Any], str | None] = lambda _: ""
    ) -> None:
        self.obey = obey
        self.orders: list[Any] = []
        self.descriptors: list[int] = []
        self.over = asyncio.Event()
        self._channel = Channel(asyncio.get_running_loop(), sock, self._hear, self.over.set)

    def say(self, news: messages.News) -> None:
        self._channel.send(msgspec.json.encode(news))

    def close(self) -> None:
        self._channel.close()

    @property
    def kinds(self) -> list[str]:
        return [type(order).__name__ for order in self.orders]

    def _hear(self, data: bytes, descriptors: list[int]) -> None:
        for fd in descriptors:
            os.close(fd)
        order = _orders.decode(data)
        self.orders.append(order)
        self.descriptors.append(len(descriptors))
        fault = self.obey(order)
        if fault is not None:
            self.say(messages.Done(order.number, fault))


def child_and_puppet(
    pid: int = 0,
    obey: Callable[[Any], str | None] = lambda _: "",
    board: Board | None = None,
    number: int = 0,
) -> tuple[Child, Puppet]:
    """A child, and what answers it."""
    ours, theirs = pair()
    counts = (board or Board(2, 2, 4)).worker(number)
    child = Child(asyncio.get_running_loop(), pid, 0, counts, ours)
    return child, Puppet(theirs, obey)
