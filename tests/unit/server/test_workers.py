"""How workers are begun, replaced and ended. Puppets stand for them, in idle processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import PATIENCE
from support.workers import Puppet

from fastws._board import Board
from fastws.config.model import Config
from fastws.errors import FastwsError
from fastws.observe.log import Log
from fastws.server import messages
from fastws.server import workers as module
from fastws.server.closing import SHUTDOWN
from fastws.server.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterator
    from pathlib import Path

    from fastws.server.child import Child

PLAN = messages.Plan(Config(), {})
STOP = partial(messages.Stop, closing=SHUTDOWN, spread=0.0, timeout=0.0)


class Stage:
    """Workers, the processes that stand for theirs, and what the log says."""

    def __init__(self, log: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.puppets: list[Puppet] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.news: Callable[[int], messages.News] = lambda _: messages.Ready("epoll")
        self.obey: Callable[[int, Any], str | None] = lambda _, __: ""
        self.forks = True
        self.refused = 0
        self._path = log
        self.board = Board(4, 2, 8)

    def fork(self, _main: Callable[[], int], keep: Collection[int]) -> int:
        if not self.forks:
            self.refused += 1
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self.processes.append(
            subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        )
        number = len(self.processes) - 1
        theirs = socket.socket(fileno=os.dup(next(iter(keep))))
        self.loop.call_soon(self._play, number, theirs)
        return self.processes[-1].pid

    def _play(self, number: int, theirs: socket.socket) -> None:
        puppet = Puppet(theirs, lambda order: self._obey(number, order))
        self.puppets.append(puppet)
        puppet.say(self.news(number))

    def _obey(self, number: int, order: Any) -> str | None:
        answer = self.obey(number, order)
        if isinstance(order, messages.Stop) and answer == "":
            self.loop.call_soon(self.processes[number].kill)
        return answer

    def run(self, scenario: Coroutine[Any, Any, None]) -> None:
        """Play it, and fork what is due whenever the loop stops."""

        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE):
                self.workers = Workers(self.loop, self.board, self.log, lambda _: "server")
                try:
                    await scenario
                finally:
                    await self.workers.kill()
                    self.log.close()

        with self._path.open("wb") as file:
            self.log = Log(file.fileno(), format="json")
            playing = self.loop.create_task(bounded())
            playing.add_done_callback(lambda _: self.loop.stop())
            self.loop.run_forever()
            while not playing.done():
                self.workers.fork_due()
                self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        playing.result()

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = map(json.loads, self._path.read_text().splitlines())
        return [line for line in lines if line["event"] == name]

    def close(self) -> None:
        for puppet in self.puppets:
            puppet.close()
        for process in self.processes:
            with suppress(OSError):
                process.kill()
            process.communicate()
        self.loop.close()

    async def serve(self, count: int) -> list[Child]:
        """Let so many serve; returns those that are too many."""
        await self.workers.prepare(PLAN, lambda _: [], count)
        return await self.workers.commit()


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - what sends no event; the play has a limit
        await asyncio.sleep(0.01)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(tmp_path / "log")
    monkeypatch.setattr(module, "fork", made.fork)
    yield made
    made.close()


def test_they_begin_prepared_and_commit(stage: Stage) -> None:
    async def scenario() -> None:
        assert await stage.serve(2) == []
        assert [child.place for child in stage.workers.serving] == [0, 1]
        assert [puppet.kinds for puppet in stage.puppets] == [["Commit"]] * 2

    stage.run(scenario())


def test_another_plan_is_prepared_by_all_before_one_goes_by_it(stage: Stage) -> None:
    async def scenario() -> None:
        await stage.serve(2)
        await stage.workers.prepare(PLAN, lambda _: [], 3)
        assert [puppet.kinds[1:] for puppet in stage.puppets] == [["Prepare"], ["Prepare"], []]
        await stage.workers.commit()
        assert [puppet.kinds[-1] for puppet in stage.puppets] == ["Commit"] * 3

    stage.run(scenario())


@pytest.mark.parametrize("who", ["old", "new", "none"])
def test_what_one_cannot_do_none_does(stage: Stage, who: str) -> None:
    async def scenario() -> None:
        await stage.serve(2)
        before = stage.workers.serving
        match who:
            case "old":
                stage.obey = lambda number, order: (
                    "bad" if number == 1 and isinstance(order, messages.Prepare) else ""
                )
            case "new":
                stage.news = lambda _: messages.Failed("bad")
            case "none":
                stage.forks = False
        with pytest.raises(FastwsError, match=r"^bad$|^cannot begin a worker: Resource temp"):
            await stage.workers.prepare(PLAN, lambda _: [], 4)
        assert stage.workers.serving == before
        assert stage.workers.count == 2
        for puppet in stage.puppets[:2]:
            assert puppet.orders[-1].give_up

    stage.run(scenario())


def test_those_that_are_too_many_go_by_the_plan_until_they_are_dismissed(stage: Stage) -> None:
    async def scenario() -> None:
        await stage.serve(3)
        leaving = await stage.serve(1)
        assert [child.place for child in leaving] == [1, 2]
        assert [puppet.kinds[-1] for puppet in stage.puppets] == ["Commit"] * 3
        await stage.workers.dismiss(leaving, STOP, 0)
        assert [puppet.kinds[-1] for puppet in stage.puppets] == ["Commit", "Stop", "Stop"]
        assert [child.place for child in stage.workers] == [0]

    stage.run(scenario())
    assert not stage.events("worker_lost")


def test_one_that_dies_is_replaced_at_its_place(stage: Stage) -> None:
    async def scenario() -> None:
        await stage.serve(2)
        stage.board.worker(1).tunnel_opened(5, 0, "client")
        victim = stage.workers.serving[1]
        victim.kill()
        await until(lambda: [puppet.kinds for puppet in stage.puppets[2:]] == [["Commit"]])
        new = stage.workers.serving[1]
        assert (new.place, new.pid) == (1, stage.processes[2].pid)
        assert stage.board.totals()["tunnels"] == 0

    stage.run(scenario())
    (lost,) = stage.events("worker_lost")
    assert (lost["how"], lost["tunnels"]) == ("SIGKILL", 1)
    assert [each["id"] for each in stage.events("tunnel_closed")] == [5]


def test_one_whose_place_is_gone_is_not_replaced(stage: Stage) -> None:
    async def scenario() -> None:
        await stage.serve(2)
        victim = stage.workers.serving[1]
        async with stage.workers.still:
            victim.kill()
            await victim.gone
            await stage.serve(1)
        await asyncio.sleep(0.05)
        assert len(stage.processes) == 2

    stage.run(scenario())


def test_where_none_can_begin_it_is_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY", 0.01)

    async def scenario() -> None:
        await stage.serve(1)
        stage.forks = False
        stage.workers.serving[0].kill()
        await until(lambda: not stage.workers.serving)
        await until(lambda: stage.refused)
        stage.forks = True
        await until(lambda: len(stage.puppets) == 2)

    stage.run(scenario())
    delays = [each["again_in"] for each in stage.events("worker_failed")]
    assert delays
    assert delays == sorted(delays)


def test_one_that_cannot_commit_is_killed_and_replaced(stage: Stage) -> None:
    async def scenario() -> None:
        stage.obey = lambda number, _: "no" if number == 0 else ""
        await stage.serve(1)
        await until(lambda: len(stage.puppets) == 2)

    stage.run(scenario())
    assert [each["message"] for each in stage.events("worker_failed")] == ["no"]


def test_there_are_no_more_than_there_is_room_for(stage: Stage) -> None:
    async def scenario() -> None:
        await stage.serve(stage.board.workers)
        with pytest.raises(FastwsError, match="there is no room for another worker"):
            await stage.workers.begin_in_place_of(stage.workers.serving[0])

    stage.run(scenario())


def test_one_that_does_not_stop_is_killed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEATH", 0.05)

    async def scenario() -> None:
        await stage.serve(1)
        stage.obey = lambda _, __: None
        await stage.workers.end(STOP, 0)
        assert list(stage.workers) == []

    stage.run(scenario())
    assert stage.processes[0].poll() in (None, 0, -signal.SIGKILL)


def test_who_no_longer_waits_for_an_end_does_not_hasten_it(stage: Stage) -> None:
    async def scenario() -> None:
        await stage.serve(1)
        stage.obey = lambda _, __: None
        waiting = asyncio.ensure_future(stage.workers.end(STOP, 60))
        await until(lambda: stage.puppets[0].kinds[-1] == "Stop")
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.sleep(0)
        assert len(list(stage.workers)) == 1

    stage.run(scenario())
