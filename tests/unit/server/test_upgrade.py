"""What two supervisors say to each other; that the whole works, test_moving.py shows."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.waiting import PATIENCE

from fastws.errors import FastwsError
from fastws.server import upgrade
from fastws.server.channel import pair
from fastws.server.holding import Holding
from fastws.server.upgrade import Estate, Predecessor, Successor

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING = Estate(0, (), Holding(), Holding())


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = pair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.mark.parametrize("count", [0, 2, 450])
def test_an_estate_arrives_with_its_sockets(
    ends: tuple[socket.socket, socket.socket], count: int
) -> None:
    ours, theirs = ends
    estate = Estate(7, (("default", "ws://a:1", 0, 3),), Holding(), Holding(), given=count)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sockets = [listener.dup() for _ in range(count)]
    upgrade._send(ours, estate, sockets)
    heir = Predecessor(theirs.detach())
    assert heir.estate == estate
    assert len(heir.sockets) == count
    for sock, given in zip(heir.sockets, sockets, strict=True):
        assert sock.getsockname() == given.getsockname()
        assert not os.get_inheritable(sock.fileno())
        sock.close()
        given.close()
    heir._socket.close()


def test_an_heir_of_somebody_who_ends_says_so(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.close()
    with pytest.raises(FastwsError, match="the old process gives up: "):
        Predecessor(theirs.detach())


def test_a_variable_says_whose_place_it_is(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert upgrade.predecessor() is None
    ours, theirs = ends
    upgrade._send(ours, NOTHING, [])
    monkeypatch.setenv("FASTWS_PREDECESSOR", str(theirs.detach()))
    heir = upgrade.predecessor()
    assert heir
    assert upgrade.predecessor() is None
    heir._socket.close()


def test_the_new_process_is_up_and_takes_what_tunnels_come_through(
    loop: asyncio.AbstractEventLoop, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    upgrade._send(ours, NOTHING, [])
    heir = Predecessor(theirs.detach())
    successor = Successor(loop, 1, ours)
    taken: asyncio.Future[int] = loop.create_future()

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

    loop.run_until_complete(asyncio.wait_for(play(), PATIENCE))
    assert not successor.gone.done()
    heir.failed("not any more")


@pytest.mark.parametrize("told", [False, True])
def test_a_new_process_that_ends_is_gone_unless_it_was_told_to_stop(
    loop: asyncio.AbstractEventLoop, ends: tuple[socket.socket, socket.socket], *, told: bool
) -> None:
    ours, theirs = ends
    upgrade._send(ours, NOTHING, [])
    heir = Predecessor(theirs.detach())
    successor = Successor(loop, 1, ours)

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

    loop.run_until_complete(asyncio.wait_for(play(), PATIENCE))
    assert successor.gone.done() != told


def test_an_heir_that_nobody_waits_for_any_more_does_not_serve(
    loop: asyncio.AbstractEventLoop, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    upgrade._send(ours, NOTHING, [])
    heir = Predecessor(theirs.detach())
    ours.close()
    with pytest.raises(FastwsError, match="does not wait"):
        loop.run_until_complete(heir.up(os.close))


@pytest.mark.parametrize("why", ["no such file", ""])
def test_a_new_process_that_does_not_come_up_says_why(
    loop: asyncio.AbstractEventLoop, ends: tuple[socket.socket, socket.socket], why: str
) -> None:
    ours, theirs = ends
    upgrade._send(ours, NOTHING, [])
    heir = Predecessor(theirs.detach())
    successor = Successor(loop, 1, ours)
    if why:
        heir.failed(why)
    heir._socket.close()
    with pytest.raises(FastwsError, match=why or "the new process ended before it began"):
        loop.run_until_complete(successor.up())
    successor.close()


def test_one_that_takes_too_long_is_given_up(
    loop: asyncio.AbstractEventLoop,
    ends: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upgrade, "_BIRTH", 0.05)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        successor = Successor(loop, process.pid, ends[0])
        with pytest.raises(FastwsError, match="did not begin in time"):
            loop.run_until_complete(successor.up())
        assert process.wait() == -signal.SIGKILL
    successor.close()
    with suppress(OSError):
        ends[1].send(b"x")
