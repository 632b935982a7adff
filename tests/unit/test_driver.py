"""What the tunnels of one driver have in common: its clock."""

from __future__ import annotations

import asyncio
import select
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import uvloop
from support.sockets import Passage
from support.waiting import until

from fastws._driver import Driver
from fastws._pipe import Rules
from fastws._transport import leg

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 100  # tunnels: more than look at the clock in one turn


class Stage:
    """Silent tunnels, of which each side is to be asked whether it is there, time and again."""

    def __init__(self, stack: ExitStack) -> None:
        self.loop = uvloop.new_event_loop()
        stack.callback(self.loop.close)
        self.driver = Driver(self.loop, interval=3600)
        stack.callback(self._end)
        self._stack = stack
        self.clients = [self.open() for _ in range(COUNT)]
        self.driver.tick()  # from now on they are silent
        self.turn(COUNT)
        assert not self.asked
        now = self.loop.time()
        while self.loop.time() == now:
            self.turn()

    @property
    def asked(self) -> int:
        """How many clients have got a ping."""
        return sum(bool(select.select([client], [], [], 0)[0]) for client in self.clients)

    def turn(self, times: int = 1) -> None:
        async def pass_by() -> None:
            for _ in range(times):
                await asyncio.sleep(0)

        self.loop.run_until_complete(pass_by())

    def open(self) -> socket.socket:
        (client, downstream), (_, upstream) = self._connection(), self._connection()
        self.driver.open(
            Rules(ping=1e-6),
            leg(downstream),
            leg(upstream),
            head=b"",
            early_downstream=b"",
            early_upstream=b"",
            passage=Passage(),
        )
        return client

    def _connection(self) -> tuple[socket.socket, asyncio.BaseTransport]:
        ours, theirs = socket.socketpair()
        self._stack.enter_context(ours)
        made = self.loop.connect_accepted_socket(asyncio.Protocol, theirs)
        return ours, self.loop.run_until_complete(made)[0]

    def _end(self) -> None:
        self.driver.abort()
        self.turn(COUNT)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(stack)


def test_thousands_that_are_silent_together_are_not_asked_in_one_turn(stage: Stage) -> None:
    stage.driver.tick()
    assert 0 < stage.asked < COUNT
    stage.turn(COUNT)
    assert stage.asked == COUNT


def test_those_that_end_meanwhile_keep_no_other_from_being_asked(stage: Stage) -> None:
    stage.driver.tick()
    waiting = stage.driver.tunnels()[stage.asked :]
    for tunnel in waiting[:5]:
        tunnel.abort()
    stage.turn(COUNT)
    assert stage.asked == COUNT  # those that ended have the end to read
    assert len(stage.driver) == COUNT - 5


def test_when_all_end_meanwhile_the_next_one_has_a_clock(stage: Stage) -> None:
    for tunnel in stage.driver.tunnels():
        tunnel.abort()  # they are gone in the next turn
    stage.driver.tick()
    assert len(stage.driver) == COUNT
    stage.turn(COUNT)
    assert len(stage.driver) == 0
    stage.driver.interval = 0.01
    client = stage.open()
    assert until(lambda: stage.turn() or select.select([client], [], [], 0)[0])
