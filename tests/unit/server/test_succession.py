from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import PATIENCE
from support.workers import Puppet, child_and_puppet

from fastws.errors import FastwsError
from fastws.server import messages, moves, succession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Log:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def error(self, event: str, **fields: Any) -> None:
        assert event == "tunnels_stay"
        self.lines.append(fields)


def run(scenario: Any) -> None:
    asyncio.run(asyncio.wait_for(scenario, PATIENCE))


def successor_that(give: Callable[[socket.socket], None]) -> Any:
    """A new process that does not end by itself, nor is told to."""
    future = asyncio.get_running_loop().create_future
    return SimpleNamespace(give=give, gone=future(), stopping=future())


def test_each_worker_gives_through_a_socket_of_its_own() -> None:
    async def scenario() -> None:
        given: list[socket.socket] = []
        successor: Any = successor_that(lambda sock: given.append(sock.dup()))
        pairs = [child_and_puppet() for _ in range(3)]
        settled, _ = pairs[2]
        settled.driver = "transport"
        log: Any = Log()
        await succession.give([child for child, _ in pairs], successor, within=7, log=log)
        assert [puppet.kinds for _, puppet in pairs] == [["HandOver"], ["HandOver"], ["Leave"]]
        assert {puppet.orders[0].leave for _, puppet in pairs[:2]} == {7}
        # The other ends are closed, so that who takes sees the end.
        assert [sock.recv(1) for sock in given] == [b"", b""]
        assert log.lines == []
        for sock in given:
            sock.close()
        for child, puppet in pairs:
            child.ended()
            puppet.close()

    run(scenario())


def test_what_stays_is_told_of_and_keeps_no_other_from_going() -> None:
    async def scenario() -> None:
        def give(_: socket.socket) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        (one, first), (two, second) = child_and_puppet(), child_and_puppet(obey=lambda _: "no")
        log: Any = Log()
        lost: Any = successor_that(give)
        await succession.give([one], lost, within=7, log=log)
        deaf: Any = successor_that(lambda _: None)
        await succession.give([two, one], deaf, within=7, log=log)
        assert log.lines == [{"message": "Broken pipe"}, {"worker": 0, "message": "no"}]
        assert first.kinds == ["HandOver"]
        for child, puppet in ((one, first), (two, second)):
            child.ended()
            puppet.close()

    run(scenario())


@asynccontextmanager
async def under_way(log: Any) -> AsyncIterator[tuple[Any, asyncio.Future[None]]]:
    """A new process, and what gives it tunnels, of which none is given as yet."""
    child, puppet = child_and_puppet(obey=lambda _: None)
    successor = successor_that(lambda _: None)
    giving = asyncio.ensure_future(succession.give([child], successor, within=7, log=log))
    await asyncio.sleep(0)
    assert not giving.done()
    yield successor, giving
    child.ended()
    puppet.close()


def test_nobody_waits_for_a_new_process_that_is_gone() -> None:
    async def scenario() -> None:
        log = Log()
        async with under_way(log) as (successor, giving):
            successor.gone.set_result(None)
            with pytest.raises(FastwsError, match="ended before it had all tunnels"):
                await giving
            assert log.lines == []

    run(scenario())


def test_a_new_process_that_is_told_to_stop_is_given_no_more() -> None:
    async def scenario() -> None:
        async with under_way(Log()) as (successor, giving):
            successor.stopping.set_result(None)
            await giving

    run(scenario())


def test_who_is_to_end_takes_no_tunnels_and_that_is_no_fault() -> None:
    async def scenario() -> None:
        child, puppet = child_and_puppet(obey=lambda _: "no")
        log: Any = Log()
        for ending in (False, True):
            child.dismissed = ending
            with socket.socket() as sock:
                await moves.take(child, sock, log=log)
        assert log.lines == [{"worker": 0, "message": "no"}]
        child.ended()
        puppet.close()

    run(scenario())


class Heirs:
    """Two workers, and how many tunnels each of them takes."""

    def __init__(self, *taken: int) -> None:
        self.still = asyncio.Lock()
        made = [child_and_puppet() for _ in taken]
        self.serving = [child for child, _ in made]
        self.puppets = [puppet for _, puppet in made]
        for (child, puppet), count in zip(made, taken, strict=True):
            puppet.obey = lambda order, child=child, count=count: self._obey(child, count, order)

    def _obey(self, child: Any, count: int, order: Any) -> str:
        if isinstance(order, messages.TakeOver):
            for _ in range(count):
                child._counts.tunnel_opened(1, 0, "client")
            child._counts.movable = count
        return ""

    def close(self) -> None:
        for child, puppet in zip(self.serving, self.puppets, strict=True):
            child.ended()
            puppet.close()


def test_workers_take_in_turn_and_are_evened_out_at_the_end() -> None:
    async def scenario() -> None:
        heirs: Any = Heirs(1, 4)
        arrivals = succession.Arrivals(heirs, Log())  # type: ignore[arg-type]
        over = asyncio.Event()
        coming = asyncio.ensure_future(arrivals.all_until(over, within=7))
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            arrivals.take(sock.detach())
        await asyncio.sleep(0.01)
        assert not coming.done()
        over.set()
        await coming
        giver: Puppet = heirs.puppets[1]
        assert giver.kinds == ["TakeOver", "Report", "HandOver"]
        assert giver.orders[2].most == 1
        assert heirs.puppets[0].kinds == ["TakeOver", "Report", "TakeOver"]
        heirs.close()

    run(scenario())


def test_nobody_waits_for_ever_for_tunnels_of_one_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(moves, "SECONDS", 0.05)

    async def scenario() -> None:
        heirs: Any = Heirs(1, 4)
        arrivals = succession.Arrivals(heirs, Log())  # type: ignore[arg-type]
        await arrivals.all_until(asyncio.Event(), within=0)
        heirs.close()

    run(scenario())
