"""What a drain tells each worker; how tunnels end by it, the adversity tests show."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.loops import run
from support.workers import child_and_puppet

from fastws._board import Board
from fastws._relay import Ending
from fastws.config.model import Address, Config, Drain, Server, Upstream
from fastws.errors import FastwsError
from fastws.server import draining, messages
from fastws.server.closing import DRAINED, Closing
from fastws.server.draining import Draining
from fastws.server.peers import PeerTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DOOR = "ws://127.0.0.1:8"


class Workers:
    """The workers of a supervisor: what becomes of them, and what they are told."""

    def __init__(self, board: Board, tunnels: tuple[int, ...]) -> None:
        self.board = board
        self.pairs = [
            child_and_puppet(board=board, number=number, obey=self._obey)
            for number in range(len(tunnels))
        ]
        self.places = [
            [board.worker(number).tunnel_opened(i, 0, "client") for i in range(count)]
            for number, count in enumerate(tunnels)
        ]
        self.dismissed: list[tuple[int, messages.Stop, float]] = []

    def __iter__(self) -> Any:
        return iter([child for child, _ in self.pairs])

    def orders(self, number: int) -> list[Any]:
        return self.pairs[number][1].orders

    async def begin_in_place_of(self, child: Any) -> Any:
        pair = child_and_puppet(board=self.board, number=len(self.pairs), obey=self._obey)
        self.pairs.append(pair)
        child.dismissed = True
        return pair[0]

    async def dismiss(self, children: Any, stop: Any, seconds: float) -> None:
        for child in children:
            self.dismissed.append((child.number, stop(0), seconds))
            self._close(child.number)

    def close(self) -> None:
        for child, puppet in self.pairs:
            child.ended()
            puppet.close()

    def _obey(self, order: Any) -> str:
        if isinstance(order, messages.Drain):
            for number in range(len(self.places)):
                self._close(number)
        return ""

    def _close(self, number: int) -> None:
        for place in self.places[number]:
            self.board.worker(number).tunnel_ended(place, int(Ending.DRAIN), 0, 0, 0, 0)
        self.places[number] = []


class Supervisor:
    """What a drain may ask for."""

    opening = 20.0
    log = None

    def __init__(self, *tunnels: int) -> None:
        servers = tuple(Server(address=Address(host="10.0.0.1", port=port)) for port in (1, 2))
        config = Config(upstreams=(Upstream(name="u", servers=servers),), drain=Drain(spread=30))
        self.board = Board(4, 16, 64)
        self.peers = PeerTable(self.board)
        self.plan = messages.Plan(config, self.peers.assign(config))
        self.peers.settle(config)
        self.workers = Workers(self.board, tunnels)
        self.shut_doors: list[tuple[str, bool]] = []

    def door(self, address: str) -> str:
        return DOOR if address == "127.0.0.1:8" else ""

    async def shut(self, door: str, *, undo: bool) -> None:
        self.shut_doors.append((door, undo))

    @asynccontextmanager
    async def steady(self) -> AsyncIterator[None]:
        yield


def scene(play: Any, *tunnels: int) -> None:
    """Play it with a supervisor whose workers have so many tunnels."""

    async def whole() -> None:
        supervisor = Supervisor(*tunnels)
        try:
            await play(supervisor)
        finally:
            supervisor.workers.close()

    run(whole())


async def drain(supervisor: Supervisor, **asked: Any) -> dict[str, Any]:
    these: Any = supervisor
    return await Draining(these, draining.Drain(**asked)).run()


def test_each_worker_has_its_share_of_the_rate() -> None:
    async def play(supervisor: Supervisor) -> None:
        assert await drain(supervisor, rate=100, jitter=2, deadline=60) == {"tunnels": 4}
        (one,), (other,) = supervisor.workers.orders(0), supervisor.workers.orders(1)
        assert (one.rate, other.rate) == (75, 25)
        for order in (one, other):
            assert (order.jitter, order.deadline, order.closing) == (2, 60, DRAINED)
            assert (order.peers, order.door) == ((), "")

    scene(play, 3, 1)


@pytest.mark.parametrize(
    ("asked", "jitter"), [({}, 30), ({"rate": 50}, 1 / 50), ({"rate": 50, "jitter": 0}, 0)]
)
def test_without_a_jitter_it_is_that_of_the_configuration_or_what_a_rate_leaves(
    asked: dict[str, float], jitter: float
) -> None:
    async def play(supervisor: Supervisor) -> None:
        await drain(supervisor, **asked)
        (order,) = supervisor.workers.orders(0)
        assert order.jitter == jitter

    scene(play, 1)


def test_a_code_stands_in_the_close_frames() -> None:
    async def play(supervisor: Supervisor) -> None:
        await drain(supervisor, code=4001)
        (order,) = supervisor.workers.orders(0)
        assert order.closing == Closing(4001, "drained")

    scene(play, 1)


def test_who_is_to_end_already_is_not_told() -> None:
    async def play(supervisor: Supervisor) -> None:
        supervisor.workers.pairs[0][0].dismissed = True
        await drain(supervisor, rate=100)
        assert supervisor.workers.orders(0) == []
        assert [order.rate for order in supervisor.workers.orders(1)] == [100]

    scene(play, 1, 1)


def test_without_tunnels_nobody_is_told() -> None:
    async def play(supervisor: Supervisor) -> None:
        assert await drain(supervisor, rate=1) == {"tunnels": 0}
        assert supervisor.workers.orders(0) == []

    scene(play, 0)


def test_a_server_gets_no_connections_until_that_is_undone() -> None:
    async def play(supervisor: Supervisor) -> None:
        numbers = tuple(supervisor.peers.numbers_of("10.0.0.1:2"))
        (state,) = map(supervisor.board.peer, numbers)
        await drain(supervisor, target="10.0.0.1:2")
        assert state.drained
        (order,) = supervisor.workers.orders(0)
        assert (order.peers, order.door) == (numbers, "")
        assert await drain(supervisor, target="10.0.0.1:2", undo=True) == {"tunnels": 0}
        assert not state.drained
        assert len(supervisor.workers.orders(0)) == 1

    scene(play, 1)


def test_a_listener_is_shut_until_that_is_undone() -> None:
    async def play(supervisor: Supervisor) -> None:
        await drain(supervisor, target="127.0.0.1:8")
        (order,) = supervisor.workers.orders(0)
        assert (order.peers, order.door) == ((), DOOR)
        await drain(supervisor, target="127.0.0.1:8", undo=True)
        assert supervisor.shut_doors == [(DOOR, False), (DOOR, True)]

    scene(play, 1)


def test_a_worker_is_replaced_and_closes_its_tunnels_at_the_rate() -> None:
    async def play(supervisor: Supervisor) -> None:
        assert await drain(supervisor, target="0", rate=2, jitter=1) == {"tunnels": 4}
        (order,) = supervisor.workers.orders(0)
        assert order == messages.Leave(order.number, 20)
        ((number, stop, seconds),) = supervisor.workers.dismissed
        assert (number, stop.closing, stop.spread) == (0, DRAINED, 4 / 2 + 1)
        assert seconds == stop.spread + stop.timeout
        assert supervisor.workers.orders(1) == []

    scene(play, 4, 1)


def test_a_worker_has_closed_its_tunnels_by_the_deadline() -> None:
    async def play(supervisor: Supervisor) -> None:
        await drain(supervisor, target="0", rate=1, deadline=2)
        ((_, stop, _),) = supervisor.workers.dismissed
        assert stop.spread == 2

    scene(play, 5)


def test_the_tunnels_of_a_worker_may_move_to_the_one_in_its_place() -> None:
    async def play(supervisor: Supervisor) -> None:
        await drain(supervisor, target="0", move=True)
        (given,), (taken,) = supervisor.workers.orders(0), supervisor.workers.orders(1)
        assert (type(given), given.leave) == (messages.HandOver, 20)
        assert type(taken) is messages.TakeOver
        assert [number for number, _, _ in supervisor.workers.dismissed] == [0]

    scene(play, 1)


def test_a_worker_is_not_replaced_twice() -> None:
    async def play(supervisor: Supervisor) -> None:
        these: Any = supervisor
        later = Draining(these, draining.Drain(target="0"))
        await drain(supervisor, target="0")
        with pytest.raises(FastwsError, match="worker 0 is about to end"):
            await later.run()
        assert len(supervisor.workers.pairs) == 3

    scene(play, 1, 1)


def test_the_tunnels_of_a_worker_that_ends_meanwhile_need_no_closing() -> None:
    async def play(supervisor: Supervisor) -> None:
        child, puppet = supervisor.workers.pairs[0]
        told = asyncio.Event()
        puppet.obey = lambda _: told.set()
        closing = asyncio.ensure_future(drain(supervisor))
        await told.wait()
        supervisor.workers.pairs.pop(0)
        child.ended()
        assert await closing == {"tunnels": 0}
        puppet.close()

    scene(play, 1)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"target": "10.0.0.9:1"}, "there is no server, listener or worker 10.0.0.9:1"),
        ({"target": "7"}, "there is no server, listener or worker 7"),
        ({"target": "0"}, "there is no server, listener or worker 0"),
        ({"target": "0", "move": True}, "there is no server, listener or worker 0"),
        ({"target": "10.0.0.1:1", "move": True}, "only the tunnels of a worker can move"),
        ({"target": "1", "undo": True}, "say which server or listener"),
        ({"undo": True}, "say which server or listener"),
        ({"code": 1005}, "1005 may not stand in a close frame"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked: dict[str, Any], fault: str) -> None:
    async def play(supervisor: Supervisor) -> None:
        supervisor.workers.pairs[0][0].dismissed = True
        with pytest.raises(FastwsError, match=fault):
            await drain(supervisor, **asked)
        assert supervisor.workers.orders(1) == []

    scene(play, 1, 1)
