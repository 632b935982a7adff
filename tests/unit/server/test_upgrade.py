"""What two supervisors say to each other; that the whole works, test_moving.py shows."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import pytest
from support.waiting import PATIENCE

from fastws.errors import FastwsError
from fastws.server import upgrade
from fastws.server.channel import pair
from fastws.server.holding import Holding
from fastws.server.upgrade import Estate, Predecessor, Successor

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

NOTHING = Estate(0, (), Holding(), Holding())


class Two:
    """What is between an old process and a new one, which is a process that does nothing."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.loop = asyncio.new_event_loop()
            stack.callback(self.loop.close)
            self.process = stack.enter_context(
                subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            )
            stack.callback(self.process.kill)
            self.ours, self.theirs = map(stack.enter_context, pair())
            self.home, self.away = map(stack.enter_context, pair())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def heir(self, estate: Estate = NOTHING, sockets: Sequence[socket.socket] = ()) -> Predecessor:
        upgrade._send(self.ours, estate, sockets, self.away)
        made = Predecessor(self.theirs.detach())
        self._stack.enter_context(made._socket)
        self._stack.enter_context(made.home)
        return made

    def successor(self) -> Successor:
        return Successor(self.loop, self.process.pid, self.ours, self.home)

    def play(self, scenario: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(asyncio.wait_for(scenario, PATIENCE))


@pytest.fixture
def two() -> Iterator[Two]:
    with Two() as made:
        yield made


@pytest.mark.parametrize("count", [0, 2, 450])
def test_an_estate_arrives_with_its_sockets(two: Two, count: int) -> None:
    estate = Estate(7, (("default", "ws://a:1", 0, 3),), Holding(), Holding(), given=count)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sockets = [listener.dup() for _ in range(count)]
    heir = two.heir(estate, sockets)
    assert heir.estate == estate
    assert len(heir.sockets) == count
    for sock, given in zip(heir.sockets, sockets, strict=True):
        assert sock.getsockname() == given.getsockname()
        assert not os.get_inheritable(sock.fileno())
        sock.close()
        given.close()


def test_an_heir_of_somebody_who_ends_says_so(two: Two) -> None:
    two.ours.close()
    with pytest.raises(FastwsError, match="the old process gives up: "):
        Predecessor(two.theirs.detach())


def test_a_variable_says_whose_place_it_is(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    assert upgrade.predecessor() is None
    upgrade._send(two.ours, NOTHING, [], two.away)
    monkeypatch.setenv("FASTWS_PREDECESSOR", str(two.theirs.detach()))
    heir = upgrade.predecessor()
    assert heir
    assert upgrade.predecessor() is None
    heir._socket.close()
    heir.home.close()


def test_the_new_process_is_up_and_takes_what_tunnels_come_through(two: Two) -> None:
    heir, successor = two.heir(), two.successor()
    taken: asyncio.Future[int] = two.loop.create_future()

    async def play() -> None:
        served = asyncio.ensure_future(heir.up(taken.set_result))
        await successor.up()
        assert not served.done()
        serving = asyncio.ensure_future(successor.serve())
        await served
        assert not serving.done()
        heir.serving()
        await serving
        with socket.socket() as sock:
            successor.give(sock)
        os.close(await taken)
        successor.close()
        await heir.over.wait()

    two.play(play())
    assert not successor.gone.done()
    assert two.process.poll() is None
    heir.failed("not any more")


def test_what_it_has_comes_home_when_it_is_gone(two: Two) -> None:
    heir, successor = two.heir(), two.successor()
    taken: asyncio.Queue[int] = asyncio.Queue()

    async def play() -> None:
        asyncio.ensure_future(heir.up(os.close))  # noqa: RUF006 - it is over with the socket
        await successor.up()
        serving = asyncio.ensure_future(successor.serve())
        heir.serving()
        await serving
        # Its workers may be ahead of us.
        with socket.socket() as sock:
            socket.send_fds(heir.home, [b"tunnels"], [sock.fileno()])
        over = successor.take_back(taken.put_nowait)
        successor.close()
        os.close(await taken.get())
        with socket.socket() as sock:
            socket.send_fds(heir.home, [b"tunnels"], [sock.fileno()])
        os.close(await taken.get())
        assert not over.is_set()
        heir.home.close()
        two.away.close()  # none of them is left
        await over.wait()

    two.play(play())


@pytest.mark.parametrize("told", [False, True])
def test_a_new_process_that_ends_is_gone_unless_it_was_told_to_stop(
    two: Two, *, told: bool
) -> None:
    heir, successor = two.heir(), two.successor()

    async def play() -> None:
        served = asyncio.ensure_future(heir.up(os.close))
        await successor.up()
        serving = asyncio.ensure_future(successor.serve())
        await served
        if told:
            heir.stopping()
        heir._socket.shutdown(socket.SHUT_RDWR)
        with pytest.raises(FastwsError, match="the new process ended before it began"):
            await serving

    two.play(play())
    assert successor.gone.done() != told
    successor.close()


def test_an_heir_that_nobody_waits_for_any_more_does_not_serve(two: Two) -> None:
    heir = two.heir()
    two.ours.close()
    with pytest.raises(FastwsError, match="does not wait"):
        two.play(heir.up(os.close))


@pytest.mark.parametrize("why", ["no such file", ""])
def test_a_new_process_that_does_not_come_up_says_why(two: Two, why: str) -> None:
    heir, successor = two.heir(), two.successor()
    if why:
        heir.failed(why)
    heir._socket.close()
    with pytest.raises(FastwsError, match=why or "the new process ended before it began"):
        two.play(successor.up())
    successor.close()


def test_one_that_says_nonsense_is_not_waited_for(two: Two) -> None:
    heir, successor = two.heir(), two.successor()
    heir._socket.send(b"hello?")
    with pytest.raises(FastwsError, match="says what nobody understands"):
        two.play(successor.up())
    successor.close()
    assert two.process.wait() == -signal.SIGKILL


def test_one_that_takes_too_long_is_given_up(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "_BIRTH", 0.05)
    successor = two.successor()
    with pytest.raises(FastwsError, match="did not begin in time"):
        two.play(successor.up())
    assert two.process.wait() == -signal.SIGKILL
    successor.close()


def test_one_that_is_given_up_before_it_serves_is_ended(two: Two) -> None:
    two.successor().close()
    assert two.process.wait() == -signal.SIGKILL
