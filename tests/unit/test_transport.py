"""Legs on transports of the loop, between raw sockets. The loop turns only where a test lets it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import uvloop
from support.frames import BINARY
from support.raw import PATIENCE, Wire
from support.sockets import Passage, give, take

from fastws._driver import Driver
from fastws._pipe import Rules
from fastws._transport import leg

if TYPE_CHECKING:
    from collections.abc import Iterator

KIB = 1 << 10
BUFFER = 128 * KIB


class Stage:
    """A loop, a driver, and tunnels whose four ends are the test's own."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self.driver = Driver(self.loop)

    @contextmanager
    def tunnel(self, **rules: float) -> Iterator[tuple[Wire, Wire, Passage]]:
        passage = Passage()
        (client, downstream), (server, upstream) = self._connection(), self._connection()
        self.driver.open(
            Rules(**rules),
            leg(downstream),
            leg(upstream),
            head=b"",
            early_downstream=b"",
            early_upstream=b"",
            passage=passage,
        )
        with Wire(client, b"key!") as near, Wire(server) as far:
            for wire in (near, far):
                wire.sock.setblocking(False)
            yield near, far, passage

    def _connection(self) -> tuple[socket.socket, asyncio.Transport]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs, _ = listener.accept()
        made = self.loop.connect_accepted_socket(asyncio.Protocol, theirs)
        return ours, self.loop.run_until_complete(made)[0]

    async def taken_by_turn(self, size: int) -> list[int]:
        """What the driver took from clients at each look of the loop, until it was so much."""
        totals = [0]
        async with asyncio.timeout(PATIENCE):
            while totals[-1] < size:
                await asyncio.sleep(0)
                totals.append(self.driver.traffic()[0])
        return [after - before for before, after in pairwise(totals)]

    def turn(self) -> None:
        """Let the loop look at its descriptors a few times."""
        self.loop.run_until_complete(asyncio.sleep(0))

    def receive(self, wire: Wire, size: int) -> bytes:
        """So many bytes, or fewer if the connection ends before."""
        got = bytearray()

        async def read() -> None:
            async with asyncio.timeout(PATIENCE):
                while len(got) < size:
                    data = take(wire, size - len(got))
                    if data == b"":
                        return
                    got.extend(data or b"")
                    await asyncio.sleep(0)

        self.loop.run_until_complete(read())
        return bytes(got)

    def close(self) -> None:
        self.driver.abort()
        self.turn()
        self.turn()
        self.loop.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    running = Stage()
    yield running
    running.close()


def fill(wire: Wire, data: bytes) -> int:
    """Give the system as much of the data as it takes; how much that was."""
    sent = 0
    while count := give(wire, data[sent:]):
        sent += count
    return sent


def test_a_turn_takes_one_buffer_of_a_flood(stage: Stage) -> None:
    """The others wait for no more than that, however much there is to read."""
    with stage.tunnel(queued_bytes=1 << 30) as (client, server, _):
        message = client.frame(BINARY, bytes(1000)) * 4000
        sent = fill(client, message)
        assert sent > 4 * BUFFER
        taken = stage.loop.run_until_complete(stage.taken_by_turn(4 * BUFFER))
        assert max(taken) <= BUFFER
        assert stage.receive(server, sent) == message[:sent]


def test_a_source_that_pauses_in_its_turn_is_read_again_when_there_is_room(stage: Stage) -> None:
    with stage.tunnel(queued_bytes=10) as (client, server, _):
        message = client.frame(BINARY, bytes(1000)) * 40_000
        sent, got = 0, b""
        while sent < len(message):
            sent += fill(client, message[sent : sent + (1 << 20)])
            got += stage.receive(server, sent - len(got))
        assert got == message


def test_a_flood_that_ends_arrives_whole(stage: Stage) -> None:
    with stage.tunnel() as (client, server, passage):
        message = client.frame(BINARY, bytes(1000)) * 4000
        sent = fill(client, message)
        client.close()
        # Behind it comes no close frame of ours, if it was cut inside one of its own.
        assert stage.receive(server, sent) == message[:sent]
        assert stage.receive(server, 1) == b""
        server.close()
        while passage.report is None:
            stage.turn()


def test_a_tunnel_may_go_while_its_source_waits_for_its_turn(stage: Stage) -> None:
    with stage.tunnel(queued_bytes=1 << 30) as (client, _, passage):
        fill(client, client.frame(BINARY, bytes(1000)) * 4000)
        while not stage.driver.traffic()[0]:
            stage.turn()
        stage.driver.abort()
        while passage.report is None:
            stage.turn()
    assert len(stage.driver) == 0
