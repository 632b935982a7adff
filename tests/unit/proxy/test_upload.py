"""The body of a request: what is kept of it, how it goes on, and how long it may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.desk import Clock, FakeTransport
from support.heads import head, request

from fastws.config.model import Timeouts
from fastws.proxy.upload import Upload

if TYPE_CHECKING:
    from fastws._pump import Pump
    from fastws.errors import Reject

TIMES = Timeouts(body=30.0, stall=10.0)
SIZED = b"Content-Length: 10"
CHUNKED = b"Transfer-Encoding: chunked"


class Play:
    """A client that sends a body; it is the request, too."""

    def __init__(self, line: bytes = SIZED, early: bytes = b"") -> None:
        self.transport, self.peer = FakeTransport(), FakeTransport()
        self.head = request(head(b"PUT / HTTP/1.1", [b"Host: a", line]))
        self.clock = Clock()
        self.early = early
        self.pump: Pump | None = None
        self.uploads = 0
        self.failures: list[tuple[int, str]] = []
        self.upload = Upload(self, self, self.clock)  # type: ignore[arg-type]

    def start(self, **options: Any) -> Play:
        options = {"max_body": 0, "most": 65536, **options}
        self.upload.start(self.peer, TIMES, **options)
        return self

    def send(self, data: bytes) -> None:
        if self.pump is None:
            self.early += data
        else:
            self.pump.feed(data)

    @property
    def left(self) -> float | None:
        return self.clock.left(self.upload)

    def expire(self) -> None:
        self.clock.expire(self.upload)

    # what a downstream does

    def take_early(self) -> bytes:
        early, self.early = self.early, b""
        return early

    def pass_to(self, pump: Pump) -> None:
        self.pump = pump

    def give_back(self, rest: bytes) -> None:
        self.pump = None
        self.early = rest

    # what a request does

    def uploaded(self) -> None:
        self.uploads += 1

    def upload_failed(self, reject: Reject, ending: str) -> None:
        self.failures.append((reject.status, ending))


def test_what_came_early_goes_first_and_the_rest_as_it_comes() -> None:
    play = Play(early=b"hello").start()
    assert (play.peer.take(), play.upload.over, play.left) == (b"hello", False, TIMES.body)
    play.send(b"worldGET")
    assert (play.peer.take(), play.upload.over, play.left) == (b"world", True, None)
    assert (play.uploads, play.early, play.upload.moved) == (1, b"GET", 10)


def test_a_body_that_is_here_already() -> None:
    play = Play(early=b"helloworldGET").start()
    assert (play.peer.sent, play.upload.over, play.uploads) == (b"helloworld", True, 1)
    assert (play.early, play.left) == (b"GET", None)


def test_a_malformed_chunk_is_told() -> None:
    play = Play(CHUNKED, b"2\r\nhiX").start()
    assert (play.peer.sent, play.failures, play.upload.over) == (
        b"2\r\nhi",
        [(400, "rule")],
        False,
    )
    assert (play.uploads, play.left) == (0, None)


def test_a_body_that_is_too_large_is_told() -> None:
    play = Play(CHUNKED).start(max_body=4)
    play.send(b"5\r\nhello")
    assert (play.peer.sent, play.failures) == (b"5\r", [(413, "rule")])


def test_it_is_over_when_the_peer_takes_more_again() -> None:
    play = Play().start()
    play.upload.pause()
    assert play.transport.words == ["pause"]
    play.send(b"helloworld")
    assert (play.upload.over, play.uploads) == (False, 0)
    play.upload.resume()
    assert (play.transport.words, play.upload.over, play.uploads) == (["pause", "resume"], True, 1)


def test_one_that_is_stopped_is_not_over_and_sends_nothing() -> None:
    play = Play(early=b"hello").start()
    play.upload.stop()
    assert (play.pump, play.left, play.upload.over) == (None, None, False)
    play.upload.resume()
    assert play.upload.moved == 5


def test_nothing_happens_before_it_is_started() -> None:
    play = Play()
    play.upload.pause()
    play.upload.resume()
    play.upload.stop()
    assert (play.transport.said, play.upload.over, play.upload.moved) == ([], False, 0)


# -- once more ----------------------------------------------------------------------------------


def test_what_is_all_here_may_be_sent_again() -> None:
    play = Play(early=b"hello").start()
    assert play.upload.rewind()
    play.send(b"wor")
    play.peer = FakeTransport()
    play.start()
    play.send(b"ld")
    assert (play.peer.sent, play.upload.over) == (b"helloworld", True)


def test_the_next_request_is_kept_when_a_body_is_sent_again() -> None:
    play = Play(early=b"helloworldGET").start()
    assert play.upload.rewind()
    assert not play.upload.over
    play.peer = FakeTransport()
    play.start()
    assert (play.peer.sent, play.early) == (b"helloworld", b"GET")


def test_the_next_request_is_kept_while_the_peer_takes_nothing() -> None:
    class Full(FakeTransport):
        def write(self, data: Any) -> None:
            super().write(data)
            play.upload.pause()

    play = Play(early=b"helloworldGET")
    play.peer = Full()
    play.start()
    assert (play.upload.over, play.early) == (False, b"")
    assert play.upload.rewind()
    play.peer = FakeTransport()
    play.start()
    assert (play.peer.sent, play.early) == (b"helloworld", b"GET")


def test_what_has_gone_on_may_not_be_sent_again() -> None:
    play = Play(early=b"hello").start()
    assert play.upload.intact
    play.send(b"w")
    assert not play.upload.intact
    assert not play.upload.rewind()
    play.send(b"orld")
    assert play.upload.over


def test_one_that_was_not_started_may_be() -> None:
    play = Play(early=b"helloworld")
    assert play.upload.intact
    assert play.upload.rewind()
    assert play.start().peer.sent == b"helloworld"


# -- nobody wants it ----------------------------------------------------------------------------


def test_a_body_that_has_come_is_dropped() -> None:
    play = Play(early=b"helloworldGET")
    play.upload.skip()
    assert (play.upload.over, play.early) == (True, b"GET")


def test_a_body_that_has_not_come_is_not() -> None:
    play = Play(early=b"hello")
    play.upload.skip()
    assert not play.upload.over


# -- time ---------------------------------------------------------------------------------------


def test_a_slow_body_has_an_absolute_deadline_that_grows_with_it() -> None:
    play = Play(b"Content-Length: 100000", b"x" * 10240).start()
    play.expire()
    assert (play.left, play.failures) == (10.0, [])  # a second for each KiB
    play.expire()
    assert play.failures == [(408, "stall")]


def test_a_dripping_body_gains_next_to_nothing() -> None:
    play = Play().start()
    play.send(b"h")
    play.expire()
    assert play.left is not None
    assert play.left < 0.01
    play.expire()
    assert play.failures == [(408, "stall")]


def test_a_peer_that_takes_nothing_is_given_up() -> None:
    play = Play(early=b"hello").start()
    play.upload.pause()
    play.peer.queued = 5
    play.expire()
    assert (play.left, play.failures) == (TIMES.stall, [])
    play.expire()
    assert play.failures == [(504, "stall")]


def test_a_client_has_all_its_time_behind_a_slow_peer() -> None:
    play = Play(early=b"hello").start()
    play.upload.pause()
    for queued in (5, 4, 3):
        play.peer.queued = queued
        play.expire()
    play.upload.resume()
    play.expire()
    assert play.failures == []
    assert play.left == TIMES.body - TIMES.stall
