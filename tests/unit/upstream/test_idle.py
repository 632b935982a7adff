from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from support.upstreams import peers
from support.waiting import PATIENCE

from fastws.upstream.idle import Idle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

ONE, OTHER = peers(1, 1)


class Ends:
    """Connections: our transports, and the sockets of their peers."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.transports: list[asyncio.Transport] = []

    async def connect(self) -> tuple[asyncio.Transport, socket.socket]:
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        self.sockets.append(theirs)
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, sock=ours
        )
        self.transports.append(transport)
        return transport, theirs

    async def close(self) -> None:
        for transport in self.transports:
            transport.abort()
        for sock in self.sockets:
            sock.close()
        await asyncio.sleep(0)


@pytest.fixture
def ends() -> Ends:
    return Ends()


def run(ends: Ends, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await scenario()
        finally:
            await ends.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


async def closed(transport: asyncio.Transport) -> None:
    """Wait for what is told to protocols in turn."""
    while not transport.is_closing():  # noqa: ASYNC110 - the protocol is not ours
        await asyncio.sleep(0.001)


async def ended(sock: socket.socket) -> None:
    assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""


def test_the_latest_of_a_peer_is_taken_first(ends: Ends) -> None:
    async def scenario() -> None:
        idle = Idle(3, 60)
        first, _ = await ends.connect()
        second, _ = await ends.connect()
        third, _ = await ends.connect()
        idle.put(ONE, first)
        idle.put(ONE, second)
        idle.put(OTHER, third)
        assert idle.take(ONE) is second
        assert idle.take(ONE) is first
        assert idle.take(ONE) is None
        assert idle.take(OTHER) is third
        assert len(idle) == 0

    run(ends, scenario)


def test_one_too_many_is_there_for_the_next_request(ends: Ends) -> None:
    async def scenario() -> None:
        idle = Idle(1, 60)
        first, _ = await ends.connect()
        second, _ = await ends.connect()
        idle.put(ONE, first)
        idle.put(OTHER, second)
        assert idle.take(ONE) is first
        assert idle.take(OTHER) is second

    run(ends, scenario)


def test_the_one_that_waits_longest_makes_room(ends: Ends) -> None:
    async def scenario() -> None:
        idle = Idle(1, 60)
        first, far = await ends.connect()
        second, _ = await ends.connect()
        idle.put(ONE, first)
        idle.put(OTHER, second)
        await ended(far)
        assert len(idle) == 1
        assert idle.take(ONE) is None
        assert idle.take(OTHER) is second

    run(ends, scenario)


def test_none_is_kept_where_none_is_allowed(ends: Ends) -> None:
    async def scenario() -> None:
        idle = Idle(0, 60)
        transport, far = await ends.connect()
        idle.put(ONE, transport)
        assert len(idle) == 0
        await ended(far)

    run(ends, scenario)


def test_none_is_kept_for_longer_than_its_time(ends: Ends) -> None:
    async def scenario() -> None:
        idle = Idle(9, 0.05)
        transport, far = await ends.connect()
        idle.put(ONE, transport)
        await ended(far)
        assert len(idle) == 0

    run(ends, scenario)


def test_each_is_kept_for_its_own_time(ends: Ends) -> None:
    async def scenario() -> None:
        idle = Idle(9, 0.2)
        first, one = await ends.connect()
        second, other = await ends.connect()
        begun = asyncio.get_running_loop().time()
        idle.put(ONE, first)
        await asyncio.sleep(0.1)
        idle.put(ONE, second)
        await ended(one)
        await ended(other)
        assert len(idle) == 0
        assert asyncio.get_running_loop().time() >= begun + 0.3 - 0.01

    run(ends, scenario)


def test_one_that_was_taken_is_not_closed(ends: Ends) -> None:
    async def scenario() -> None:
        idle = Idle(9, 0.05)
        transport, far = await ends.connect()
        idle.put(ONE, transport)
        assert idle.take(ONE) is transport
        await asyncio.sleep(0.1)
        with pytest.raises(BlockingIOError):
            far.recv(1)

    run(ends, scenario)


@pytest.mark.parametrize("what", ["bytes", "end"])
def test_whatever_happens_ends_it(ends: Ends, what: str) -> None:
    async def scenario() -> None:
        idle = Idle(9, 60)
        transport, far = await ends.connect()
        idle.put(ONE, transport)
        if what == "bytes":
            far.send(b"x")
        else:
            far.shutdown(socket.SHUT_WR)
        await closed(transport)
        assert len(idle) == 0

    run(ends, scenario)


@pytest.mark.parametrize("what", ["bytes", "end"])
def test_what_has_not_been_told_yet_is_seen(ends: Ends, what: str) -> None:
    async def scenario() -> None:
        idle = Idle(9, 60)
        transport, far = await ends.connect()
        idle.put(ONE, transport)
        if what == "bytes":
            far.send(b"x")
        else:
            far.shutdown(socket.SHUT_WR)
        assert idle.take(ONE) is None

    run(ends, scenario)
