"""A client's connection while it speaks HTTP: order, time and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.desk import Desk
from support.heads import UPGRADE, head

from fastws.errors import HANG_UP, Reject
from fastws.proxy import downstream as module
from fastws.proxy.decision import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.desk import Client

    from fastws.proxy.downstream import Downstream

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HELLO = Reply(200, body=b"hello")
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
LAST = REPLY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class Session:
    """Whom a request is handed to; notes what it is told."""

    def __init__(self, context: object, settings: object, downstream: Downstream) -> None:  # noqa: ARG002
        self.downstream = downstream
        self.told: list[str] = []
        self.has_its_answer = True

    def start(self) -> None:
        self.told.append("start")

    def downstream_eof(self) -> bool:
        self.told.append("eof")
        return self.has_its_answer

    def downstream_full(self) -> None:
        self.told.append("full")

    def downstream_drained(self) -> None:
        self.told.append("drained")

    def downstream_lost(self) -> None:
        self.told.append("lost")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """The sessions of plain requests, which begin and do nothing."""
    begun: list[Session] = []

    def begin(*arguments: Any) -> Session:
        begun.append(Session(*arguments))
        return begun[-1]

    monkeypatch.setattr(module, "PlainRequest", begin)
    return begun


def reading(client: Client) -> bool:
    words = [word for word in client.transport.words if word in {"pause", "resume"}]
    return words[-1:] != ["pause"]


# -- requests in their order --------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 10, 10_000])
def test_requests_are_answered_in_turn_however_they_are_split(size: int) -> None:
    client = Desk(HELLO).accept()
    data = GET * 3 + CLOSE
    for at in range(0, len(data), size):
        client.send(data[at : at + size])
    assert client.got() == REPLY * 3 + LAST
    assert client.lingers


def test_the_next_request_waits_for_the_answer(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET + GET)
    assert len(sessions) == 1
    client.protocol.answered(keep=True)
    client.desk.clock.run()
    assert [session.told for session in sessions] == [["start"], ["start"]]


def test_the_next_request_waits_until_the_client_takes_more(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET + GET)
    client.protocol.pause_writing()
    client.protocol.answered(keep=True)
    client.desk.clock.run()
    assert len(sessions) == 1
    assert client.desk.clock.left(client.protocol) == client.desk.timeouts.stall
    client.protocol.resume_writing()
    client.desk.clock.run()
    assert len(sessions) == 2


def test_no_more_than_allowed_is_kept_of_what_comes_early(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET + b"x" * 60_000)
    assert reading(client)
    client.send(b"x" * 10_000)
    assert not reading(client)
    assert len(sessions[0].downstream.take_early()) == 70_000
    assert reading(client)


def test_what_comes_behind_a_body_is_kept(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET)
    sessions[0].downstream.give_back(b"GET /1")
    client.send(b"23")
    assert sessions[0].downstream.take_early() == b"GET /123"


def test_a_bad_request_is_refused_behind_the_answers_to_good_ones() -> None:
    client = Desk(HELLO).accept()
    client.send(GET + b"BAD\r\n\r\n" + GET)
    got = client.got()
    assert got.startswith(REPLY + b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.1 200") == 1
    assert client.desk.access_log.records[-1]["status"] == 400
    client.send(GET)
    assert client.got() == b""


def test_a_faulty_handshake_begins_no_session(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(head(b"GET / HTTP/1.1", [each for each in UPGRADE if b"Version" not in each]))
    assert (client.status(), sessions) == (426, [])


def test_the_page_is_for_plain_requests_to_the_root(sessions: list[Session]) -> None:
    client = Desk(page=b"<html>").accept()
    client.send(GET)
    got = client.got()
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert got.endswith(b"<html>")
    other = Desk(page=b"<html>").accept()
    other.send(GET.replace(b"/ ", b"/x "))
    assert (other.got(), len(sessions)) == (b"", 1)


# -- refusals -----------------------------------------------------------------------------------


def test_one_too_many_is_turned_away_with_its_first_request(sessions: list[Session]) -> None:
    desk = Desk()
    desk.full = True
    client = desk.accept()
    desk.full = False
    client.send(GET)
    assert (client.status(), client.lingers, sessions) == (503, True, [])


def test_no_request_is_taken_while_draining(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.desk.draining = True
    client.send(GET)
    assert (client.status(), client.lingers, sessions) == (503, True, [])


def test_no_request_follows_another_while_leaving(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET + GET)
    client.desk.leaving = True
    assert not client.protocol.keeps_alive
    client.protocol.answered(keep=True)
    client.desk.clock.run()
    assert (client.lingers, len(sessions)) == (True, 1)


def test_an_error_for_a_head_request_has_no_body(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET.replace(b"GET", b"HEAD"))
    sessions[0].downstream.fail(Reject(502, "why"))
    assert client.got().endswith(b"\r\n\r\n")
    assert client.lingers


def test_who_is_not_worth_an_answer_gets_none(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET)
    sessions[0].downstream.fail(Reject(HANG_UP, "why"))
    assert (client.got(), client.transport.words) == (b"", ["abort"])


# -- the client's half, and its end -------------------------------------------------------------


@pytest.mark.parametrize("has_its_answer", [True, False])
def test_a_session_says_whether_a_client_that_ended_its_half_is_answered(
    sessions: list[Session], *, has_its_answer: bool
) -> None:
    client = Desk().accept()
    client.send(GET)
    sessions[0].has_its_answer = has_its_answer
    assert client.half_close() is has_its_answer
    assert sessions[0].told == ["start", "eof"]


def test_over_tls_there_are_no_halves(sessions: list[Session]) -> None:
    client = Desk().accept(tls=True)
    client.send(GET)
    assert client.half_close() is False
    assert sessions[0].told == ["start", "eof"]


def test_a_client_that_asked_nothing_and_ended_its_half_is_let_go() -> None:
    client = Desk(HELLO).accept()
    assert client.half_close() is False


def test_what_came_before_the_end_of_its_half_is_answered(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET + GET + b"GET /unfinished")
    assert client.half_close() is True
    for number in (1, 2):
        assert len(sessions) == number
        client.protocol.answered(keep=True)
        client.desk.clock.run()
    assert len(sessions) == 2
    assert client.lingers


def test_the_end_is_told_once_and_counted(sessions: list[Session]) -> None:
    client = Desk().accept()
    assert client.desk.counts.connections == 1
    client.send(GET)
    client.go()
    client.send(GET)
    assert sessions[0].told == ["start", "lost"]
    assert (client.desk.counts.connections, client.desk.clock.deadlines) == (0, {})


def test_the_clients_appetite_is_told(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET)
    client.protocol.pause_writing()
    client.protocol.resume_writing()
    assert sessions[0].told == ["start", "full", "drained"]


def test_a_tunnel_is_none_of_our_business(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET)
    client.protocol.leave()
    client.send(b"frames")
    client.go()
    assert sessions[0].told == ["start"]


# -- who has nothing to do ----------------------------------------------------------------------


def test_those_without_a_request_may_be_dismissed() -> None:
    desk = Desk(HELLO)
    client = desk.accept()
    assert desk.idle == {client.protocol}
    client.send(GET[:5])
    assert desk.idle == set()
    client.send(GET[5:])
    assert desk.idle == {client.protocol}
    client.protocol.dismiss()
    assert client.transport.words[-1] == "close"
    client.go()
    assert desk.idle == set()


def test_those_who_hurry_have_a_moment_for_a_first_request_only(sessions: list[Session]) -> None:
    desk = Desk()
    new, late = desk.accept(), desk.accept()
    for client in (new, late):
        client.protocol.hurry()
    new.send(GET)
    assert sessions[0].told == ["start"]
    desk.clock.expire(late.protocol)
    assert (late.got(), late.lingers) == (b"", True)


def test_those_who_hurry_and_were_answered_are_dismissed() -> None:
    client = Desk(HELLO).accept()
    client.send(GET)
    client.protocol.hurry()
    assert client.transport.words[-1] == "close"


# -- time ---------------------------------------------------------------------------------------


def expired(client: Client) -> None:
    client.desk.clock.expire(client.protocol)


def test_a_head_has_its_time_and_dripping_does_not_add_to_it() -> None:
    desk = Desk(HELLO)
    client = desk.accept()
    client.send(GET[:1])
    deadline = desk.clock.deadlines[client.protocol]
    for byte in GET[1:-1]:
        desk.clock.now += 0.1
        client.send(bytes([byte]))
    assert desk.clock.deadlines[client.protocol] == deadline
    expired(client)
    assert (client.status(), client.lingers) == (408, True)


def test_a_session_keeps_its_own_time(sessions: list[Session]) -> None:
    client = Desk().accept()
    client.send(GET)
    assert len(sessions) == 1
    assert client.desk.clock.left(client.protocol) is None


def test_a_resting_connection_ends_without_a_word() -> None:
    client = Desk(HELLO, keepalive=7.0).accept()
    client.send(GET)
    client.got()
    assert client.desk.clock.left(client.protocol) == 7.0
    expired(client)
    assert (client.got(), client.lingers) == (b"", True)


def test_the_next_request_has_all_the_time_of_a_head() -> None:
    desk = Desk(HELLO, head=3.0)
    client = desk.accept()
    client.send(GET)
    desk.clock.now += 10
    client.send(GET[:3])
    assert desk.clock.left(client.protocol) == 3.0


def behind_the_last_answer(setting: Callable[[Client], None]) -> Client:
    client = Desk(HELLO, linger=1.0, stall=9.0).accept()
    client.send(CLOSE)
    setting(client)
    expired(client)
    return client


def test_a_client_that_says_nothing_is_ended_behind_the_last_answer() -> None:
    client = behind_the_last_answer(lambda _: None)
    assert client.transport.words[-1] == "abort"


def test_a_client_that_still_sends_has_some_more_time() -> None:
    client = behind_the_last_answer(lambda client: client.send(b"more"))
    waits = 1
    while client.transport.words[-1] != "abort":
        assert client.desk.clock.left(client.protocol) == 1.0
        client.send(b"more")
        expired(client)
        waits += 1
    assert waits == 6


def test_a_slow_reader_has_its_time_while_it_takes_something() -> None:
    def slow(client: Client) -> None:
        client.transport.queued = 1000

    client = behind_the_last_answer(slow)
    assert client.desk.clock.left(client.protocol) == 9.0
    client.transport.queued = 500
    expired(client)
    assert client.transport.words[-1] != "abort"
    expired(client)
    assert client.transport.words[-1] == "abort"
