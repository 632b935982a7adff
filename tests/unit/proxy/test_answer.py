"""The body of an answer: how it goes on, how long it may take, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.desk import Clock, FakeTransport

from fastws.protocol.body import ChunkedBody, SizedBody, StreamBody
from fastws.proxy.answer import HALF_CLOSED, Answer

if TYPE_CHECKING:
    import asyncio

    from fastws.protocol.body import Body

STALL, SILENCE = 60.0, 20.0
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Play:
    """An answer that has begun, between two transports; it is its own session."""

    def __init__(
        self,
        body: Body,
        rest: bytes = b"",
        *,
        silence: float = SILENCE,
        sink: FakeTransport | None = None,
    ) -> None:
        self.source, self.sink = FakeTransport(), sink or FakeTransport()
        self.clock = Clock()
        self.ended: list[tuple[str, bool]] = []
        self.told: list[str] = []
        self.answer = Answer(self, self.clock, self.source, self.sink, body)  # type: ignore[arg-type]
        self.sink.protocol = self.answer
        self.answer.start(HEAD, rest, silence=silence, stall=STALL, most=65536)

    def delivered(self, transport: asyncio.Transport, ending: str, *, clean: bool) -> None:
        assert transport is self.source
        self.ended.append((ending, clean))

    def upstream_full(self) -> None:
        self.told.append("full")

    def upstream_drained(self) -> None:
        self.told.append("drained")

    @property
    def left(self) -> float | None:
        return self.clock.left(self.answer)

    def expire(self) -> None:
        self.clock.expire(self.answer)


def test_what_has_no_body_ends_at_once() -> None:
    for rest, clean in ((b"", True), (b"surplus", False)):
        play = Play(SizedBody(0), rest)
        assert (play.ended, play.sink.said) == ([("complete", clean)], [HEAD])
        assert (play.left, play.source.protocol, play.answer.moved) == (None, None, 0)


def test_a_body_goes_on_as_it_comes() -> None:
    play = Play(SizedBody(10), b"hello")
    assert play.source.protocol is play.answer
    assert play.sink.said == [HEAD + b"hello"]
    assert play.sink.take() == HEAD + b"hello"
    play.answer.data_received(b"world")
    assert (play.sink.take(), play.ended) == (b"world", [("complete", True)])
    assert (play.answer.moved, play.left) == (10, None)


def test_a_body_that_is_here_already_goes_out_with_its_head() -> None:
    for rest, clean in ((b"hello", True), (b"hello surplus", False)):
        play = Play(SizedBody(5), rest)
        assert (play.sink.said, play.ended) == ([HEAD + b"hello"], [("complete", clean)])
        assert (play.answer.moved, play.left) == (5, None)


def test_a_client_that_does_not_take_the_head_pauses_the_peer() -> None:
    class Full(FakeTransport):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.protocol.pause()

    full = Full()
    play = Play(SizedBody(10), b"hello", sink=full)
    assert play.source.words == ["pause"]
    play.answer.resume()
    assert play.source.words == ["pause", "resume"]


@pytest.mark.parametrize("behind", [b"surplus", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_what_comes_behind_a_body_is_dropped_and_told(behind: bytes) -> None:
    play = Play(SizedBody(2))
    play.answer.data_received(b"ok" + behind)
    assert (play.sink.sent, play.ended) == (HEAD + b"ok", [("complete", False)])


def test_a_malformed_chunk_ends_it() -> None:
    play = Play(ChunkedBody(200), b"2\r\nokX")
    assert (play.sink.sent, play.ended) == (HEAD + b"2\r\nok", [("rule", False)])


@pytest.mark.parametrize("lost", [False, True])
def test_the_end_of_the_connection_cuts_a_body_short(*, lost: bool) -> None:
    play = Play(SizedBody(10), b"hello")
    if lost:
        play.answer.connection_lost(ConnectionResetError())
    else:
        play.answer.eof_received()
    play.answer.connection_lost(None)
    assert play.ended == [("upstream_lost", False)]


def test_the_end_of_the_stream_ends_a_body_without_framing() -> None:
    play = Play(StreamBody(), b"hello")
    play.answer.eof_received()
    assert play.ended == [("complete", False)]


def test_a_full_client_pauses_the_peer_and_the_end_waits_for_it() -> None:
    play = Play(SizedBody(10))
    play.answer.pause()
    assert play.source.words == ["pause"]
    play.answer.data_received(b"helloworld")
    assert play.ended == []
    play.answer.resume()
    assert (play.source.words, play.ended) == (["pause", "resume"], [("complete", True)])


def test_a_body_that_ended_while_the_client_was_full_leaves_no_clean_connection() -> None:
    play = Play(SizedBody(10))
    play.answer.pause()
    play.answer.data_received(b"helloworld")
    play.answer.eof_received()
    play.answer.resume()
    assert play.ended == [("complete", False)]


def test_the_peers_appetite_is_told_until_the_end() -> None:
    play = Play(SizedBody(5))
    play.answer.pause_writing()
    play.answer.resume_writing()
    play.answer.data_received(b"hello")
    play.answer.pause_writing()
    play.answer.resume_writing()
    assert play.told == ["full", "drained"]


# -- time ---------------------------------------------------------------------------------------


def test_silence_ends_it_where_nothing_moves() -> None:
    play = Play(StreamBody(), b"hello")
    assert play.left == SILENCE
    play.expire()  # something has moved since the start
    play.clock.now += SILENCE / 2
    play.answer.data_received(b"more")
    play.expire()
    assert play.ended == []
    play.expire()
    assert play.ended == [("idle", False)]


@pytest.mark.parametrize(("body", "ends"), [(SizedBody(10), True), (StreamBody(), False)])
def test_without_a_limit_of_silence_only_a_declared_length_has_one(
    body: Body, *, ends: bool
) -> None:
    play = Play(body, silence=0)
    for _ in range(3):
        if not play.ended:
            assert play.left == STALL
            play.expire()
    assert play.ended == ([("idle", False)] if ends else [])


def test_a_client_that_takes_nothing_ends_it() -> None:
    play = Play(StreamBody(), silence=0)
    play.answer.data_received(b"hello")
    play.sink.queued = 5
    play.expire()
    assert play.ended == []
    play.expire()
    assert play.ended == [("stall", False)]


def test_a_client_that_takes_some_of_it_has_more_time() -> None:
    play = Play(StreamBody(), silence=0)
    play.answer.data_received(b"hello")
    for queued in (5, 4, 3):
        play.sink.queued = queued
        play.expire()
        assert play.ended == []


def test_a_client_that_ended_its_half_has_to_take_something() -> None:
    play = Play(StreamBody(), b"hello", silence=0)
    play.answer.hurry()
    assert play.left == HALF_CLOSED
    play.expire()
    assert play.sink.words == []
    play.expire()
    assert play.sink.words == ["abort"]


# -- ends ---------------------------------------------------------------------------------------


def test_it_may_be_cut() -> None:
    play = Play(SizedBody(10), b"hello")
    play.answer.cut("rule")
    play.answer.cut("rule")
    assert (play.ended, play.left) == ([("rule", False)], None)
    play.answer.data_received(b"world")
    assert play.sink.sent == HEAD + b"hello"


def test_an_abandoned_one_tells_nobody() -> None:
    play = Play(SizedBody(10), b"hello")
    play.answer.abandon()
    play.answer.connection_lost(None)
    play.answer.hurry()
    assert (play.ended, play.source.words, play.left) == ([], ["abort"], None)
