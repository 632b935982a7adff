"""Tunnels that move, from one driver to another, in one process and between two."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from support.drivers import why_not
from support.frames import BINARY
from support.sockets import Passage, Stage, give
from support.sockets import take as read

from fastws._driver import Driver
from fastws.errors import FastwsError
from fastws.proxy.drivers import bare_sockets
from fastws.server import handover

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from support.raw import Wire

    from fastws._sockets import Sockets
    from fastws.proxy.ticket import Ticket

MANY = 80  # more than two batches

Pair = tuple["Wire", "Wire", Passage]


@pytest.fixture(params=["uring", "epoll"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if why := why_not(request.param):
        pytest.skip(why)
    with Stage(request.param, tmp_path) as running:
        yield running
    assert running.faults == []


class Other:
    """Another driver on the stage's loop, which takes tunnels."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.driver = Driver(stage.loop, interval=0.05)
        made = bare_sockets(name, self.driver)
        assert made is not None
        self.sockets: Sockets = made
        self.tickets: list[Ticket] = []
        self.passages: list[Passage] = []
        self.refuse: Callable[[int], bool] = lambda _: False

    def arrive(self, ticket: Ticket) -> Passage:
        if self.refuse(ticket.number):
            raise FastwsError("no")
        self.tickets.append(ticket)
        self.passages.append(Passage(ticket.number))
        return self.passages[-1]

    def take(self, sock: socket.socket) -> Coroutine[Any, Any, int]:
        return handover.take(sock, self.driver, self.sockets, self.arrive)

    def close(self) -> None:
        self.driver.abort()
        self.stage.until(lambda: not len(self.driver) and not getattr(self.sockets, "in_flight", 0))


@pytest.fixture(params=["uring", "epoll"])
def other(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Other]:
    other = Other(stage, request.param)
    yield other
    other.close()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def opened(stage: Stage, count: int, stack: ExitStack) -> list[Pair]:
    return [stack.enter_context(stage.tunnel()) for _ in range(count)]


def check(stage: Stage, pairs: list[Pair]) -> None:
    """A message goes through each tunnel, in both directions."""
    for client, server, _ in pairs:
        for source, sink in ((client, server), (server, client)):
            message = source.frame(BINARY, os.urandom(100))
            give(source, message)
            assert stage.receive(sink, len(message)) == message


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def hand_over(
    stage: Stage, other: Other, ends: tuple[socket.socket, socket.socket]
) -> tuple[int, int]:
    """All tunnels of the stage; how many went, and came."""
    ours, theirs = ends

    async def both() -> tuple[int, int]:
        taking = asyncio.ensure_future(other.take(theirs))
        gone = await handover.give(ours, stage.driver.tunnels())
        ours.close()
        return gone, await taking

    return stage.loop.run_until_complete(both())


def test_all_tunnels_go_and_nobody_notices(
    stage: Stage, other: Other, ends: tuple[socket.socket, socket.socket]
) -> None:
    with ExitStack() as stack:
        pairs = opened(stage, MANY, stack)
        before = descriptors()
        halves = []
        for client, server, _ in pairs:
            # In the middle of a frame, and of a header
            message = client.frame(BINARY, os.urandom(3000))
            place = random.randrange(len(message))
            give(client, message[:place])
            halves.append((client, server, message, place))
        stage.run()
        assert hand_over(stage, other, ends) == (MANY, MANY)
        assert (len(stage.driver), len(other.driver)) == (0, MANY)
        assert descriptors() == before - 1
        for client, server, message, place in halves:
            give(client, message[place:])
            assert stage.receive(server, len(message)) == message
        check(stage, pairs)
        assert all(passage.gone and passage.report is None for _, _, passage in pairs)
        tickets = sorted(other.tickets, key=lambda ticket: ticket.number)
        for ticket, (_, _, passage) in zip(tickets, pairs, strict=True):
            assert ticket == passage.ticket(ticket.traffic)
            assert ticket.traffic[1:] == (0, 0, 0)


def test_who_is_refused_stays(
    stage: Stage, other: Other, ends: tuple[socket.socket, socket.socket]
) -> None:
    other.refuse = lambda number: number % 3 == 0
    with ExitStack() as stack:
        pairs = opened(stage, MANY, stack)
        stay = len(range(0, MANY, 3))
        assert hand_over(stage, other, ends) == (MANY - stay, MANY - stay)
        assert (len(stage.driver), len(other.driver)) == (stay, MANY - stay)
        assert [passage.gone for _, _, passage in pairs] == [bool(i % 3) for i in range(MANY)]
        check(stage, pairs)


def test_who_ends_stays(
    stage: Stage, other: Other, ends: tuple[socket.socket, socket.socket]
) -> None:
    with ExitStack() as stack:
        (client, server, passage), *rest = opened(stage, 3, stack)
        client.half_close()
        assert stage.rest(server) == b""
        assert hand_over(stage, other, ends) == (2, 2)
        assert len(stage.driver) == 1
        server.close()
        stage.until(lambda: passage.report)
        check(stage, rest)


def test_one_of_another_version_is_refused(
    stage: Stage,
    other: Other,
    ends: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encode = msgspec.msgpack.encode

    def altered(parcels: list[handover.Parcel]) -> bytes:
        first = parcels[0]
        return encode([msgspec.structs.replace(first, state=b"\xff" + first.state[1:])])

    with ExitStack() as stack:
        pairs = opened(stage, 1, stack)
        before = descriptors()
        monkeypatch.setattr(msgspec.msgpack, "encode", altered)
        assert hand_over(stage, other, ends) == (0, 0)
        assert (len(stage.driver), len(other.driver)) == (1, 0)
        assert other.passages[0].gone
        assert descriptors() == before - 1
        check(stage, pairs)


# -- the other side fails -----------------------------------------------------------------------


async def received(sock: socket.socket) -> list[int]:
    """The first batch as it comes: its descriptors."""
    sock.setblocking(False)
    batch = await handover._receive(sock)
    return [fd for _, pair in batch for fd in pair]


@pytest.mark.parametrize("when", ["before", "after the header", "after the batch"])
def test_tunnels_go_on_here_when_the_other_side_ends(
    stage: Stage, ends: tuple[socket.socket, socket.socket], when: str
) -> None:
    ours, theirs = ends

    async def play() -> None:
        if when == "before":
            theirs.close()
        giving = asyncio.ensure_future(handover.give(ours, stage.driver.tunnels()))
        if when == "after the header":
            await handover._readable(theirs)
            theirs.recv(1)
        elif when == "after the batch":
            for fd in await received(theirs):
                os.close(fd)
        theirs.close()
        with pytest.raises(FastwsError, match="the other process takes no tunnels: "):
            await giving

    with ExitStack() as stack:
        pairs = opened(stage, MANY, stack)
        stage.loop.run_until_complete(play())
        assert len(stage.driver) == MANY
        check(stage, pairs)


def test_who_does_not_answer_in_time_cannot_any_more(
    stage: Stage, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = ends
    monkeypatch.setattr(handover, "_PATIENCE", 0.1)
    with ExitStack() as stack:
        pairs = opened(stage, 3, stack)
        with pytest.raises(FastwsError, match=r"nothing happened within 0\.1 s"):
            stage.loop.run_until_complete(handover.give(ours, stage.driver.tunnels()))
        with pytest.raises(BrokenPipeError):
            theirs.send(b"\1\1\1")
        check(stage, pairs)


def test_an_answer_counts_though_nobody_waits_for_it_any_more(
    stage: Stage, other: Other, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends

    async def play() -> None:
        giving = asyncio.ensure_future(handover.give(ours, stage.driver.tunnels()))
        batch = await handover._receive(theirs)
        tunnels = [
            handover._adopt(parcel, fds, other.driver, other.sockets, other.arrive)
            for parcel, fds in batch
        ]
        handover._begin(theirs, tunnels)
        giving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving

    theirs.setblocking(False)
    with ExitStack() as stack:
        pairs = opened(stage, 3, stack)
        stage.loop.run_until_complete(play())
        assert (len(stage.driver), len(other.driver)) == (0, 3)
        check(stage, pairs)


def test_what_was_taken_back_is_not_begun(
    stage: Stage,
    other: Other,
    ends: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The giver gives up between a batch and its answer."""
    ours, theirs = ends
    begin = handover._begin

    def too_late(sock: socket.socket, tunnels: list[Any]) -> int:
        ours.shutdown(socket.SHUT_RD)
        return begin(sock, tunnels)

    monkeypatch.setattr(handover, "_begin", too_late)

    async def play() -> None:
        taking = asyncio.ensure_future(other.take(theirs))
        with pytest.raises(FastwsError, match="takes no tunnels"):
            await handover.give(ours, stage.driver.tunnels())
        with pytest.raises(FastwsError, match="gives no tunnels"):
            await taking

    with ExitStack() as stack:
        pairs = opened(stage, 3, stack)
        before = descriptors()
        stage.loop.run_until_complete(play())
        assert (len(stage.driver), len(other.driver)) == (3, 0)
        assert all(passage.gone for passage in other.passages)
        assert descriptors() == before
        check(stage, pairs)


@pytest.mark.parametrize(
    "sent",
    [
        b"short",
        handover._HEADER.pack(1, 5) + b"\xc1\xc1\xc1\xc1\xc1",
        handover._HEADER.pack(2, 1) + msgspec.msgpack.encode([]),
        handover._HEADER.pack(1, 1) + msgspec.msgpack.encode([]),
        handover._HEADER.pack(1, 1 << 31),
        handover._HEADER.pack(1, 1000) + b"\x91",
        handover._HEADER.pack(1, 6) + b"\x91\x93\x98\x01\xa1\xff",  # a client that is no text
    ],
)
def test_nonsense_is_refused_and_its_descriptors_closed(
    stage: Stage, other: Other, ends: tuple[socket.socket, socket.socket], sent: bytes
) -> None:
    ours, theirs = ends
    before = descriptors()
    socket.send_fds(ours, [sent], [0, 1])
    ours.shutdown(socket.SHUT_WR)
    with pytest.raises(FastwsError, match="the other process gives no tunnels: "):
        stage.loop.run_until_complete(other.take(theirs))
    assert descriptors() == before


# -- two processes ------------------------------------------------------------------------------

# Takes what comes through the descriptor it is given, by a driver, and relays until it is killed.
# Before each answer it says so, and waits for a word.
TAKER = """
import socket, sys
import uvloop
from support.sockets import Passage
from fastws._driver import Driver
from fastws.proxy.drivers import bare_sockets
from fastws.server import handover

loop = uvloop.new_event_loop()
driver = Driver(loop)
sockets = bare_sockets(sys.argv[2], driver)
begin = handover._begin

def asked(sock, tunnels):
    print("taken", flush=True)
    sys.stdin.readline()
    return begin(sock, tunnels)

handover._begin = asked
sock = socket.socket(fileno=int(sys.argv[1]))
loop.run_until_complete(handover.take(sock, driver, sockets, lambda ticket: Passage()))
print("done", flush=True)
loop.run_forever()
"""


@pytest.fixture(params=["uring", "epoll"])
def taker(
    ends: tuple[socket.socket, socket.socket],
    request: pytest.FixtureRequest,
) -> Iterator[subprocess.Popen[str]]:
    if why := why_not(request.param):
        pytest.skip(why)
    _, theirs = ends
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", TAKER, str(theirs.fileno()), request.param],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        pass_fds=[theirs.fileno()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    with process:
        yield process
        process.kill()


async def _giving(
    stage: Stage, ours: socket.socket, taker: subprocess.Popen[str], batches: int, *, kill: bool
) -> int:
    """Give all, and let so many batches be answered; then perhaps the other process dies."""
    giving = asyncio.ensure_future(handover.give(ours, stage.driver.tunnels()))
    lines = taker.stdout
    assert lines
    assert taker.stdin
    for _ in range(batches):
        assert await stage.loop.run_in_executor(None, lines.readline) == "taken\n"
        taker.stdin.write("\n")
        taker.stdin.flush()
    if kill:
        assert await stage.loop.run_in_executor(None, lines.readline) == "taken\n"
        taker.kill()
    return await giving


def test_tunnels_go_to_another_process(
    stage: Stage, ends: tuple[socket.socket, socket.socket], taker: subprocess.Popen[str]
) -> None:
    ours, _ = ends
    with ExitStack() as stack:
        pairs = opened(stage, MANY, stack)
        assert stage.loop.run_until_complete(_giving(stage, ours, taker, 3, kill=False)) == MANY
        assert len(stage.driver) == 0
        check(stage, pairs)
        ours.close()
        assert taker.stdout
        assert taker.stdout.readline() == "done\n"
        check(stage, pairs)


def test_what_a_process_took_that_is_killed_before_it_says_so_goes_on_here(
    stage: Stage, ends: tuple[socket.socket, socket.socket], taker: subprocess.Popen[str]
) -> None:
    ours, _ = ends
    with ExitStack() as stack:
        pairs = opened(stage, MANY, stack)
        with pytest.raises(FastwsError, match="takes no tunnels"):
            stage.loop.run_until_complete(_giving(stage, ours, taker, 1, kill=True))
        stay = [pair for pair in pairs if not pair[2].gone]
        assert len(stay) == len(stage.driver) == MANY - 32
        check(stage, stay)
        for client, server, passage in pairs:
            if passage.gone:
                assert read(client, 1) in (b"", None)
                assert stage.rest(server) == b""
