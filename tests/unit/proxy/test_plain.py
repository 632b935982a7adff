"""Plain requests: what goes on, what may be used again, what may be sent again, what is logged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.desk import Client, Desk, FakeTransport
from support.heads import head
from support.visiting import Visiting

from fastws.proxy.answer import HALF_CLOSED
from fastws.proxy.decision import Reply

if TYPE_CHECKING:
    from fastws.proxy.downstream import Downstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
CHUNKED = b"Transfer-Encoding: chunked"


def ask(line: bytes = b"GET / HTTP/1.1", *lines: bytes, body: bytes = b"") -> bytes:
    return head(line, [b"Host: a", *lines]) + body


def put(body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return ask(b"PUT / HTTP/1.1", b"Content-Length: %d" % size, body=body)


class Play:
    """A client that has asked, and the peer's connection."""

    def __init__(self, asked: bytes, desk: Desk | None = None, **timeouts: float) -> None:
        self.desk = desk or Desk(**timeouts)
        self.client: Client = self.desk.accept()
        self.client.send(asked)
        self.peer: FakeTransport = self.desk.connector.made()

    def answer(self, data: bytes) -> bytes:
        """What the client gets of this."""
        self.peer.protocol.data_received(data)
        self.desk.clock.run()
        return self.client.got()

    @property
    def waiting(self) -> bool:
        """Whether the peer's connection waits for the next request."""
        return [transport for _, transport in self.desk.group.idle.waiting] == [self.peer]

    @property
    def session(self) -> Any:
        return self.client.protocol._session

    @property
    def downstream(self) -> Downstream:
        return self.client.protocol


# -- both connections, afterwards ---------------------------------------------------------------


def test_both_connections_serve_the_next_request() -> None:
    play = Play(ask())
    assert play.answer(OK) == OK
    assert play.waiting
    play.client.send(ask(b"GET /next HTTP/1.1"))
    assert play.peer.take().split(b"\r\n\r\n")[1].startswith(b"GET /next HTTP/1.1")
    assert play.answer(OK) == OK
    assert (len(play.desk.connector.dialled), play.desk.group.connections) == (1, [0])


@pytest.mark.parametrize(
    ("asked", "answer", "got"),
    [
        (ask(b"GET / HTTP/1.1", b"Connection: close"), OK, LAST),
        (ask(b"GET / HTTP/1.0"), OK, LAST),
        (
            ask(b"GET / HTTP/1.0", b"Connection: keep-alive"),
            OK,
            LAST.replace(b"close", b"keep-alive"),
        ),
        (ask(b"HEAD / HTTP/1.1"), OK[:-2], OK[:-2]),
        (
            ask(b"HEAD / HTTP/1.0", b"Connection: keep-alive"),
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n",
        ),
    ],
    ids=["close", "1.0", "1.0 keep-alive", "HEAD", "HEAD in 1.0"],
)
def test_each_client_is_told_what_becomes_of_its_connection(
    asked: bytes, answer: bytes, got: bytes
) -> None:
    play = Play(asked)
    assert play.answer(answer) == got
    assert play.client.lingers is (b"close" in got)
    assert play.waiting


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"surplus",
        OK.replace(b"1.1", b"1.0", 1),
        OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
    ],
    ids=["surplus", "1.0", "close"],
)
def test_a_peer_that_may_not_be_asked_again_is_not(answer: bytes) -> None:
    play = Play(ask())
    assert play.answer(answer) == OK
    assert not play.waiting
    assert (play.peer.words[-1], play.client.lingers) == ("abort", False)


def test_a_peer_that_has_not_taken_all_of_a_request_is_not_asked_again() -> None:
    play = Play(ask())
    play.peer.queued = 1
    assert play.answer(OK) == OK
    assert not play.waiting


def test_where_nobody_waits_for_the_next_request_there_is_none() -> None:
    play = Play(ask() + ask(b"GET /next HTTP/1.1"), keepalive=0.0)
    assert play.answer(OK) == LAST
    assert play.client.lingers
    assert b"/next" not in play.peer.sent
    client = Desk(Reply(200, body=b"ok"), keepalive=0.0).accept()
    client.send(ask() + ask())
    assert (client.got(), client.lingers) == (LAST, True)


def test_an_answer_without_framing_is_the_last_and_its_end_the_clients() -> None:
    play = Play(ask())
    assert b"Connection: close\r\n" in play.answer(b"HTTP/1.1 200 OK\r\n\r\nhello")
    play.peer.protocol.eof_received()
    assert (play.client.lingers, play.waiting) == (True, False)


def test_an_answer_without_framing_that_is_cut_is_not_passed_off_as_whole() -> None:
    play = Play(ask(b"GET / HTTP/1.0"))
    play.answer(head(b"HTTP/1.1 200 OK", [CHUNKED]) + b"2\r\nok\r\n")
    play.peer.protocol.connection_lost(None)
    assert play.client.transport.words[-1] == "abort"
    assert play.desk.record["ended_by"] == "upstream_lost"


# -- answers ------------------------------------------------------------------------------------


def test_a_client_in_1_0_gets_no_chunks_and_no_interim_answers() -> None:
    play = Play(ask(b"GET / HTTP/1.0", b"Connection: keep-alive"))
    assert play.answer(b"HTTP/1.1 103 Early Hints\r\n\r\n") == b""
    got = play.answer(head(b"HTTP/1.1 200 OK", [CHUNKED]) + b"2\r\nok\r\n0\r\n\r\n")
    assert got == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"
    assert play.client.lingers


def test_interim_answers_go_on_without_a_word_of_the_connection() -> None:
    play = Play(ask())
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert play.answer(hints) == hints
    assert play.answer(OK) == OK


def test_an_unasked_switch_of_protocols_is_a_502() -> None:
    play = Play(ask())
    assert play.answer(b"HTTP/1.1 101 Yes\r\n\r\n").startswith(b"HTTP/1.1 502 ")
    assert play.peer.words == ["abort"]


class Instead:
    """A page in place of a 404."""

    status = None

    def __init__(self, decision: Any) -> None:
        self.decision = decision

    def edit(self, _: object) -> tuple[bytes, frozenset[bytes]]:
        return b"", frozenset()

    def intercept(self, status: int) -> Any:
        return self.decision if status == 404 else None


def test_a_page_may_take_the_place_of_an_answer() -> None:
    desk = Desk()
    desk.decision = desk.forward(answer=Instead(Reply(404, body=b"page")))
    play = Play(ask(), desk)
    assert play.answer(OK.replace(b"200 OK", b"404 No")).endswith(b"\r\n\r\npage")
    assert (play.peer.words, play.client.lingers) == (["abort"], False)


def led_elsewhere(asked: bytes, *more: bytes) -> tuple[Play, FakeTransport]:
    """A request that got a 404 when all this was sent, and the connection to the next upstream."""
    desk, other = Desk(), Desk()
    desk.decision = desk.forward(answer=Instead(desk.forward(upstream=other.group)))
    play = Play(asked, desk)
    for data in more:
        play.client.send(data)
    assert play.answer(OK.replace(b"200 OK", b"404 No")) == b""
    return play, desk.connector.made()


def test_another_upstream_that_takes_its_place_gets_the_body_too() -> None:
    play, second = led_elsewhere(put(b"he", 5))
    assert second.take().startswith(b"PUT / HTTP/1.1\r\n")
    play.client.send(b"llo")
    assert second.sent == b"llo"
    second.protocol.data_received(OK)
    assert play.client.got() == OK
    assert not play.client.lingers


def test_another_upstream_gets_no_body_of_which_a_part_is_gone() -> None:
    play, second = led_elsewhere(put(b"he", 5), b"l")
    assert b"\r\nContent-Length: 0\r\n" in second.take()
    play.client.send(b"lo")
    assert second.sent == b""
    second.protocol.data_received(OK)
    assert play.client.got() == LAST


def test_another_upstream_gets_no_body_that_is_at_fault() -> None:
    desk = Desk()
    desk.decision = desk.forward(max_body=4)
    desk.visiting = Visiting(desk.forward())
    play = Play(put(b"hello"), desk)
    head_sent, _, body = play.peer.sent.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 0\r\n" in head_sent
    assert body == b""
    assert play.answer(OK) == LAST


@pytest.mark.parametrize(
    ("more", "intact"), [((), True), ((b"ll",), False)], ids=["all here", "a part is gone"]
)
def test_what_has_gone_on_of_a_body_is_not_intact(more: tuple[bytes, ...], *, intact: bool) -> None:
    play = Play(put(b"he", 5))
    for data in more:
        play.client.send(data)
    assert play.session.intact is intact


def test_what_is_asked_instead_has_the_method_that_its_site_says() -> None:
    desk = Desk()
    desk.visiting = Visiting(desk.forward())
    client = desk.accept()
    client.send(ask(b"POST / HTTP/1.1", b"Content-Length: 5", body=b"hello"))
    desk.connector.caller.connect_failed(ConnectionRefusedError())
    sent = desk.connector.made().sent
    assert sent.startswith(b"GET / HTTP/1.1\r\n")
    assert sent.endswith(b"\r\n\r\nhello")


# -- the request's body -------------------------------------------------------------------------


def test_a_body_goes_behind_its_head_and_the_next_request_waits() -> None:
    play = Play(put(b"he", 5))
    assert play.peer.take().endswith(b"\r\n\r\nhe")
    play.client.send(b"llo" + ask(b"GET /next HTTP/1.1"))
    assert play.peer.take() == b"llo"
    assert play.answer(OK) == OK
    assert play.peer.take().startswith(b"GET /next HTTP/1.1")


def test_a_peer_that_is_full_pauses_the_client() -> None:
    play = Play(put(b"he", 5))
    play.peer.protocol.pause_writing()
    assert play.client.transport.words[-1] == "pause"
    play.peer.protocol.resume_writing()
    assert play.client.transport.words[-1] == "resume"


def test_a_body_that_goes_wrong_is_refused() -> None:
    play = Play(ask(b"PUT / HTTP/1.1", CHUNKED, body=b"2\r\nok"))
    play.client.send(b"X")
    assert play.client.status() == 400
    assert play.client.lingers
    assert (play.peer.words, play.desk.group.failures) == (["abort"], [0])
    assert play.desk.record["ended_by"] == "refused"


def test_a_body_that_goes_wrong_behind_the_answers_head_cuts_it() -> None:
    play = Play(ask(b"PUT / HTTP/1.1", CHUNKED, body=b"2\r\nok"))
    assert b"Connection: close\r\n" in play.answer(OK[:-2])
    play.client.send(b"X")
    assert (play.client.got(), play.client.lingers) == (b"", True)
    assert play.desk.record["ended_by"] == "rule"


def test_an_early_answer_gets_through_while_the_body_still_comes() -> None:
    play = Play(put(b"he", 5))
    assert play.answer(OK) == LAST
    assert (play.client.lingers, play.waiting) == (True, False)
    play.client.send(b"llo")
    assert not play.peer.sent.endswith(b"llo")


def test_an_early_answer_and_the_body_go_on_beside_each_other() -> None:
    play = Play(put(b"he", 5))
    play.answer(OK[:-2])
    play.client.send(b"llo")
    assert play.peer.sent.endswith(b"hello")
    assert play.answer(b"ok") == b"ok"
    assert play.client.lingers  # which is what its head said


@pytest.mark.parametrize(
    "asked",
    [put(b"", 11), ask(b"PUT / HTTP/1.1", CHUNKED, body=b"b\r\n")],
    ids=["length", "chunked"],
)
def test_a_body_has_its_limit(asked: bytes) -> None:
    desk = Desk()
    desk.decision = desk.forward(max_body=10)
    client = desk.accept()
    client.send(asked)
    if desk.connector.dialled:
        desk.connector.made()
    assert client.status() == 413


def test_an_answer_of_the_configuration_drops_a_body_that_is_here() -> None:
    client = Desk(Reply(200, body=b"ok")).accept()
    client.send(put(b"hello") + put(b"he", 5))
    assert client.got() == OK + LAST
    assert client.lingers


@pytest.mark.parametrize(
    ("line", "asked", "continued"),
    [
        (b"PUT / HTTP/1.1", [b"Expect: 100-Continue", b"Content-Length: 5"], True),
        (b"PUT / HTTP/1.0", [b"Expect: 100-continue", b"Content-Length: 5"], False),
        (b"PUT / HTTP/1.1", [b"Expect: 100-continue", b"Content-Length: 0"], False),
        (b"PUT / HTTP/1.1", [b"Expect: more", b"Content-Length: 5"], False),
    ],
    ids=["1.1", "1.0", "no body", "something else"],
)
def test_who_takes_expect_away_says_to_continue(
    line: bytes, asked: list[bytes], *, continued: bool
) -> None:
    desk = Desk()
    edits = SimpleNamespace(lines=b"Host: b\r\n", dropped=frozenset({b"expect", b"host"}))
    desk.decision = desk.forward(edits=edits)
    play = Play(ask(line, *asked), desk)
    assert (play.client.got() == b"HTTP/1.1 100 Continue\r\n\r\n") is continued
    assert b"Expect" not in play.peer.sent


# -- once more ----------------------------------------------------------------------------------


def lost(asked: bytes, *, stale: bool, heard: bytes = b"") -> Desk:
    """A connection that ended before the answer; there is a second server."""
    desk = Desk(servers=2)
    if stale:
        desk.group.idle.waiting.append((desk.group.peers[0], FakeTransport()))
        transport = desk.group.idle.waiting[0][1]
        client = desk.accept()
        client.send(asked)
    else:
        play = Play(asked, desk)
        client, transport = play.client, play.peer
    if heard:
        transport.protocol.data_received(heard)
    transport.protocol.connection_lost(None)
    desk.client = client  # type: ignore[attr-defined]
    return desk


@pytest.mark.parametrize("asked", [ask(), put(b"hello"), put(b"he", 5)])
def test_a_stale_connection_is_nobodys_failure(asked: bytes) -> None:
    desk = lost(asked, stale=True)
    assert [str(peer) for peer in desk.connector.dialled] == ["a:80"]
    again = desk.connector.made()
    assert again.sent.endswith(asked.partition(b"\r\n\r\n")[2])
    assert (desk.group.failures, desk.group.connections) == ([0, 0], [1, 0])
    again.protocol.data_received(OK)
    assert desk.client.got() in {OK, LAST}  # type: ignore[attr-defined]


@pytest.mark.parametrize("stale", [True, False])
def test_a_request_that_may_have_been_done_is_not_sent_again(*, stale: bool) -> None:
    asked = ask(b"POST / HTTP/1.1", b"Content-Length: 0")
    desk = lost(asked, stale=stale)
    assert len(desk.connector.dialled) == (0 if stale else 1)
    assert desk.client.status() == 502  # type: ignore[attr-defined]
    assert (desk.group.failures, desk.group.connections) == ([1, 0], [0, 0])


@pytest.mark.parametrize("heard", [b"", b"HTTP/1.1"])
def test_a_peer_that_hangs_up_on_a_request_is_passed_over(heard: bytes) -> None:
    desk = lost(put(b"hello"), stale=False, heard=heard)
    assert [str(peer) for peer in desk.connector.dialled] == ["a:80", "b:80"]
    assert desk.connector.made().sent.endswith(b"hello")
    assert desk.group.failures == [1, 0]


def test_a_body_that_is_not_here_any_more_is_not_sent_again() -> None:
    play = Play(put(b"he", 6), Desk(servers=2))
    play.client.send(b"ll")
    play.peer.protocol.connection_lost(None)
    assert play.client.status() == 502
    assert play.desk.group.failures == [1, 0]


# -- time, and the client -----------------------------------------------------------------------


def test_the_time_for_an_answer_begins_when_all_is_asked() -> None:
    play = Play(put(b"he", 5), answer=9.0)
    assert play.desk.clock.left(play.session) is None
    play.client.send(b"llo")
    assert play.desk.clock.left(play.session) == 9.0
    play.answer(OK[:-2])
    assert play.desk.clock.left(play.session) is None


def test_a_body_that_does_not_come_is_a_408() -> None:
    play = Play(put(b"he", 5), body=3.0)
    play.desk.clock.expire(play.session._upload)
    play.desk.clock.expire(play.session._upload)
    assert play.client.status() == 408
    assert play.desk.record["ended_by"] == "refused"


@pytest.mark.parametrize("start", [b"", OK[:-1]])
def test_a_client_that_goes_away_leaves_nothing(start: bytes) -> None:
    play = Play(put(b"he", 5))
    play.answer(start)
    play.client.go()
    assert (play.peer.words, play.desk.group.connections) == (["abort"], [0])
    assert play.desk.clock.deadlines == {}
    record = play.desk.record
    assert (record["ended_by"], record["status"]) == ("client_lost", 200 if start else 499)


def test_a_client_that_ends_its_half_gets_an_answer_that_comes_soon() -> None:
    play = Play(ask())
    assert play.client.half_close() is True
    assert play.desk.clock.left(play.session) == HALF_CLOSED
    assert play.answer(OK) == OK
    assert play.client.lingers


def test_a_client_that_ends_its_half_may_have_gone() -> None:
    play = Play(ask())
    play.client.half_close()
    play.desk.clock.expire(play.session)
    assert play.client.transport.words[-1] == "abort"


def test_a_client_that_ends_its_half_within_an_answer_has_to_take_it() -> None:
    play = Play(ask())
    play.answer(OK[:-2])
    play.client.half_close()
    play.desk.clock.expire(play.peer.protocol)
    play.desk.clock.expire(play.peer.protocol)
    assert play.client.transport.words[-1] == "abort"


def test_a_client_that_ends_its_half_within_its_body_has_gone() -> None:
    play = Play(put(b"he", 5))
    assert play.client.half_close() is False


# -- the log ------------------------------------------------------------------------------------


def test_one_line_says_it_all() -> None:
    play = Play(put(b"hello"))
    play.desk.clock.now += 2
    play.answer(OK)
    record = play.desk.record
    expected = {
        "event": "request",
        "method": b"PUT",
        "target": b"/",
        "host": b"a",
        "status": 200,
        "upstream": play.desk.group.peers[0],
        "bytes_in": 5,
        "bytes_out": 2,
        "duration": 2.0,
        "ended_by": "complete",
        "reason": "",
    }
    assert {name: record[name] for name in expected} == expected
