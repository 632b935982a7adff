"""Bodies between two connections: bare sockets with each driver, and transports of the loop."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import uvloop
from support.desk import FakeTransport
from support.sockets import Recorder, Stage, give, shrink_descriptor, take

from fastws._driver import Driver
from fastws._pump import Pump
from fastws.errors import FastwsError
from fastws.protocol.body import ChunkedBody, SizedBody, StreamBody
from fastws.proxy.drivers import bare_sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastws.protocol.body import Body

KIB = 1 << 10
MIB = 1 << 20
MOST = 64 * KIB


@pytest.fixture(params=["uring", "epoll"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    loop = uvloop.new_event_loop()
    try:
        bare_sockets(request.param, Driver(loop))
    except FastwsError as error:
        pytest.skip(str(error))
    finally:
        loop.close()
    with Stage(request.param, tmp_path) as running:
        yield running
    assert running.faults == []


@pytest.fixture
def play(stage: Stage) -> Iterator[Callable[..., Play]]:
    """Begin a play: `play(body, early=…)`."""
    with ExitStack() as stack:

        def begin(body: Body, early: bytes = b"") -> Play:
            begun = Play(stage, body, early)
            stack.callback(begun.close)
            return begun

        yield begin


class Owner:
    rest: bytes | None = None

    def pumped(self, rest: bytes) -> None:
        assert self.rest is None, "told twice"
        self.rest = rest


class Play:
    """A source and a sink with tiny buffers, and the wires at their far ends."""

    def __init__(self, stage: Stage, body: Body, early: bytes = b"") -> None:
        self.stage = stage
        self.near, self.source = stage.accepted()
        self.far, self.sink = stage.connected()
        for protocol in (self.source, self.sink):
            shrink_descriptor(protocol.transport.fileno())
        self.owner = Owner()
        self.pump = Pump(self.source.transport, self.sink.transport, body, self.owner, most=MOST)
        self.pump.start(early)

    def send(self, data: bytes, size: int | None = None) -> bytes:
        """Send it all, while so much is received at the far end, by default as much."""
        sent, got = 0, bytearray()
        wanted = len(data) if size is None else size

        def through() -> bool:
            nonlocal sent
            sent += give(self.near, data[sent : sent + 50_000])
            got.extend(take(self.far, MIB) or b"")
            return sent == len(data) and len(got) >= wanted

        self.stage.until(through)
        self.stage.until(lambda: self.pump.over)
        return bytes(got)

    def close(self) -> None:
        self.near.close()
        self.far.close()
        self.sink.transport.abort()


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("size", [1, 1280, 5000, 64 * KIB, MIB])
def test_a_sized_body_arrives_and_what_follows_it_does_not(
    stage: Stage, play: Callable[..., Play], size: int
) -> None:
    body = noise(size)
    played = play(SizedBody(size))
    assert played.send(body) == body
    assert (played.pump.moved, played.owner.rest) == (size, b"")
    give(played.near, b"next")
    stage.until(lambda: played.source.data == b"next")
    stage.run()
    assert take(played.far, 1) is None


@pytest.mark.parametrize("part", [1, 1000, 60_000, 300 * KIB])
def test_a_chunked_body_arrives(play: Callable[..., Play], part: int) -> None:
    parts = [noise(part, seed) for seed in range(5)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in parts) + b"0\r\nX-A: b\r\n\r\n"
    played = play(ChunkedBody(200))
    assert played.send(body) == body
    assert played.owner.rest == b""


def test_the_payload_of_a_chunked_body_alone(play: Callable[..., Play]) -> None:
    parts = [noise(100 * KIB, seed) for seed in range(3)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in parts) + b"0\r\n\r\n"
    played = play(ChunkedBody(200, bare=True))
    payload = b"".join(parts)
    assert played.send(body, len(payload)) == payload


def test_what_came_early_comes_first(play: Callable[..., Play]) -> None:
    played = play(SizedBody(10), early=b"hello")
    assert played.send(b"world", 10) == b"helloworld"


def test_a_body_that_has_come_already_is_over_at_once(
    stage: Stage, play: Callable[..., Play]
) -> None:
    played = play(SizedBody(5), early=b"helloGET")
    assert (played.pump.over, played.owner.rest) == (True, b"GET")
    assert stage.receive(played.far, 5) == b"hello"


def test_what_comes_behind_is_told_and_not_sent(stage: Stage, play: Callable[..., Play]) -> None:
    played = play(SizedBody(5))
    give(played.near, b"helloGET / HTTP/1.1")
    stage.until(lambda: played.pump.over)
    assert played.owner.rest == b"GET / HTTP/1.1"
    assert stage.receive(played.far, 5) == b"hello"
    assert played.source.data == b""


def test_a_broken_body_is_told(stage: Stage, play: Callable[..., Play]) -> None:
    body = ChunkedBody(200)
    played = play(body)
    give(played.near, b"5\r\nhelloXX")
    stage.until(lambda: played.pump.over)
    assert body.fault
    assert stage.receive(played.far, 8) == b"5\r\nhello"


def test_the_end_of_the_stream_ends_a_body_without_framing(
    stage: Stage, play: Callable[..., Play]
) -> None:
    played = play(StreamBody())
    give(played.near, b"hello")
    played.near.half_close()
    stage.until(lambda: "eof" in played.source.said)
    assert played.pump.eof()
    assert played.owner.rest == b""
    assert stage.receive(played.far, 5) == b"hello"


def test_a_sink_that_takes_nothing_stops_the_source(
    stage: Stage, play: Callable[..., Play]
) -> None:
    body = noise(MIB)
    played = play(SizedBody(len(body)))
    sent = stage.flood(played.near, body)
    assert played.pump.paused
    assert sent < 600 * KIB
    assert stage.receive(played.far, sent) == body[:sent]
    assert played.send(body[sent:]) == body[sent:]


def test_a_body_is_over_when_the_sink_takes_more_again(
    stage: Stage, play: Callable[..., Play]
) -> None:
    size = 300 * KIB
    body = noise(size)
    played = play(SizedBody(size), early=body)
    assert played.pump.paused
    assert played.owner.rest is None
    assert stage.receive(played.far, size) == body
    stage.until(lambda: played.pump.over)
    assert played.owner.rest == b""


def test_a_pump_that_is_stopped_moves_nothing(stage: Stage, play: Callable[..., Play]) -> None:
    played = play(SizedBody(10))
    played.pump.stop()
    give(played.near, b"hello")
    stage.until(lambda: played.source.data == b"hello")
    assert played.owner.rest is None
    stage.run()
    assert take(played.far, 1) is None


def test_two_pumps_may_cross(stage: Stage, play: Callable[..., Play]) -> None:
    """An answer comes while its request is still on its way."""
    played = play(SizedBody(MIB))
    owner = Owner()
    back = Pump(played.sink.transport, played.source.transport, SizedBody(4), owner, most=MOST)
    back.start(b"")
    give(played.far, b"done")
    stage.until(lambda: back.over)
    assert stage.receive(played.near, 4) == b"done"
    assert not played.pump.over
    played.pump.stop()


def test_transports_are_fed_and_paused_by_their_protocols() -> None:
    source, sink, owner = FakeTransport(), FakeTransport(), Owner()
    sink.queued = 3
    pump = Pump(source, sink, SizedBody(10), owner, most=MOST)
    pump.start(b"")
    pump.feed(b"hello")
    pump.pause()
    pump.pause()
    assert (source.said, pump.paused, pump.taken) == (["pause"], True, 2)
    pump.feed(b"worldGET")
    assert owner.rest is None
    pump.resume()
    assert (source.said, owner.rest) == (["pause", "resume"], b"GET")
    assert sink.said == [b"hello", b"world"]
    pump.resume()
    pump.pause()
    assert source.said == ["pause", "resume"]


def test_recorders_are_told_of_the_end_while_a_pump_runs(
    stage: Stage, play: Callable[..., Play]
) -> None:
    played = play(SizedBody(10))
    assert isinstance(played.source, Recorder)
    played.near.close()
    stage.until(lambda: "eof" in played.source.said)
    assert not played.pump.eof()
    played.pump.stop()
