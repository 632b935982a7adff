"""What plain requests and handshakes have in common: peers, failures, and answers of our own."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest
from support.desk import Client, Desk
from support.heads import head
from support.visiting import Visiting

from fastws.errors import Reject
from fastws.proxy import downstream
from fastws.proxy.decision import Reply
from fastws.proxy.session import Session

if TYPE_CHECKING:
    from fastws.protocol.head import ResponseHead
    from fastws.upstream.peer import Peer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused by 10.1.1.1")


class Least(Session):
    """The least that a session can be: it relays the first answer, and notes what it is told."""

    handshake = False
    told: list[Any]

    def connected(self) -> None:
        self._context.watchdog.watch(self, self._answer_time)

    def answered(self, response: ResponseHead, rest: bytes) -> None:
        self._leased.answered()
        self._relay_answer(response, response.body(), rest, b"close", chunked=True)

    def delivered(self, transport: Any, ending: str, *, clean: bool) -> None:
        transport.abort()
        self._let_go()
        self.refused(200, f"{ending} {clean}")
        self.downstream.finish()

    def downstream_lost(self) -> None:
        self._let_go()

    @property
    def _answer_time(self) -> float:
        return 7.0

    def _request_head(self, peer: Peer) -> bytes:
        return f"ASK {peer}".encode()


@pytest.fixture(autouse=True)
def _sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream, "PlainRequest", Least)


def asking(desk: Desk) -> tuple[Client, Session]:
    client = desk.accept()
    client.send(GET)
    session = client.protocol._session
    assert session is not None
    return client, session


def refusal(client: Client) -> tuple[int, str]:
    """The status and the reason of an answer of our own, which is the log's, too."""
    got = client.got()
    status, reason = int(got.split(b" ")[1]), got.split(b"\n")[-2].decode()
    assert (client.desk.record["status"], client.desk.record["reason"]) == (status, reason)
    assert client.lingers
    return status, reason


# -- the way to a peer --------------------------------------------------------------------------


def test_an_answer_goes_back_and_both_connections_end() -> None:
    desk = Desk()
    client, _ = asking(desk)
    peer = desk.connector.made()
    assert (peer.sent, desk.group.connections) == (b"ASK a:80", [1])
    peer.protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    assert client.got().startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
    peer.protocol.data_received(b"ok")
    assert (client.got(), client.lingers, peer.words) == (b"ok", True, ["abort"])
    assert (desk.record["reason"], desk.group.connections) == ("complete True", [0])


def test_every_peer_is_tried_once() -> None:
    desk = Desk(servers=3)
    desk.connector.refusing = [REFUSED, REFUSED]
    client, _ = asking(desk)
    assert [str(peer) for peer in desk.connector.dialled] == ["a:80", "b:80", "c:80"]
    assert (desk.group.connections, desk.group.failures) == ([0, 0, 1], [1, 1, 0])
    desk.connector.caller.connect_failed(REFUSED)
    status, reason = refusal(client)
    assert status == 502
    assert (
        reason == "The last of 3 upstream servers tried could not be reached: Connection refused."
    )
    assert (desk.group.connections, desk.group.failures) == ([0, 0, 0], [1, 1, 1])


def test_an_address_of_the_upstream_is_not_told() -> None:
    desk = Desk()
    desk.connector.refusing = [REFUSED]
    client = desk.accept()
    client.send(GET)
    assert "10.1.1.1" not in refusal(client)[1]


def test_without_a_peer_there_is_a_502() -> None:
    desk = Desk(servers=0)
    client = desk.accept()
    client.send(GET)
    assert refusal(client)[0] == 502


def test_our_lack_of_descriptors_is_nobodys_failure() -> None:
    desk = Desk()
    desk.connector.refusing = [OSError(errno.EMFILE, "")]
    client = desk.accept()
    client.send(GET)
    assert refusal(client)[0] == 503
    assert (desk.group.connections, desk.group.failures) == ([0], [0])


def test_a_connection_has_its_time() -> None:
    desk = Desk(servers=2, connect=3.0)
    client, session = asking(desk)
    assert desk.clock.left(session) == 3.0
    desk.clock.expire(session)
    assert (desk.connector.aborted, len(desk.connector.dialled)) == (1, 2)
    desk.clock.expire(session)
    status, reason = refusal(client)
    assert status == 504
    assert "3 s" in reason
    assert (desk.group.connections, desk.clock.left(session)) == ([0, 0], None)


def test_an_answer_has_its_time() -> None:
    desk = Desk(servers=2)
    client, session = asking(desk)
    first = desk.connector.made()
    desk.clock.expire(session)
    assert (first.words, desk.group.failures) == (["abort"], [1, 0])
    desk.connector.made()
    desk.clock.expire(session)
    assert refusal(client) == (504, "The upstream did not answer within 7 s.")


def test_a_peer_that_hangs_up_is_passed_over() -> None:
    desk = Desk(servers=2)
    client, _ = asking(desk)
    first = desk.connector.made()
    first.protocol.connection_lost(None)
    second = desk.connector.made()
    assert second.sent == b"ASK b:80"
    second.protocol.connection_lost(ConnectionResetError("reset"))
    assert refusal(client)[0] == 502
    assert desk.group.failures == [1, 1]


def test_a_peer_that_cannot_be_read_is_not() -> None:
    desk = Desk(servers=2)
    client, _ = asking(desk)
    peer = desk.connector.made()
    peer.protocol.data_received(b"SSH-2.0\r\n")
    assert refusal(client)[0] == 502
    assert (peer.words, desk.group.failures, len(desk.connector.dialled)) == (["abort"], [1, 0], 1)


# -- the client ---------------------------------------------------------------------------------


def test_a_client_that_goes_leaves_nothing() -> None:
    for connected in (False, True):
        desk = Desk()
        client, session = asking(desk)
        peer = desk.connector.made() if connected else None
        client.go()
        assert (desk.group.connections, desk.group.failures) == ([0], [0])
        assert desk.clock.left(session) is None
        if peer:
            assert peer.words == ["abort"]
        else:
            assert desk.connector.aborted == 1


def test_a_full_client_pauses_the_answer() -> None:
    desk = Desk()
    client, _ = asking(desk)
    peer = desk.connector.made()
    client.protocol.pause_writing()
    client.protocol.resume_writing()  # there is none yet
    peer.protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
    client.protocol.pause_writing()
    client.protocol.resume_writing()
    assert peer.words == ["pause", "resume"]


# -- what is decided ----------------------------------------------------------------------------


def test_a_refusal_of_the_router() -> None:
    client = Desk(Reject(404, "No route.")).accept()
    client.send(GET)
    assert refusal(client) == (404, "No route.")


def test_an_answer_of_the_configuration() -> None:
    client = Desk(Reply(204)).accept()
    client.send(GET)
    assert client.got() == b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Edits:
    """Other headers, and another status, for any answer."""

    status = 299

    def edit(self, response: ResponseHead) -> tuple[bytes, frozenset[bytes]]:  # noqa: ARG002
        return b"X-Added: 1\r\n", frozenset({b"x-hidden"})

    def intercept(self, status: int) -> None:
        """There are no pages."""


def test_another_upstream_may_answer_for_the_first() -> None:
    desk, other = Desk(), Desk()
    desk.visiting = Visiting(desk.forward(upstream=other.group))
    client, _ = asking(desk)
    desk.connector.caller.connect_failed(REFUSED)
    assert client.got() == b""
    peer = desk.connector.made()
    peer.protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert client.status() == 200
    assert (desk.group.connections, other.group.connections) == ([0], [0])


def test_a_page_may_take_the_place_of_an_error_and_the_log_says_of_which() -> None:
    desk = Desk()
    desk.visiting = Visiting(Reply(299, body=b"sorry"))
    client, _ = asking(desk)
    desk.connector.caller.connect_failed(REFUSED)
    assert client.got().endswith(b"\r\n\r\nsorry")
    assert desk.record["status"] == 299
    assert desk.record["reason"] == "The upstream could not be reached: Connection refused."
    assert desk.visiting.written == 1


@pytest.mark.parametrize("decision", [None, Reject(404, "No route.")])
def test_an_error_has_the_headers_of_its_site(decision: Reject | None) -> None:
    desk = Desk(decision)
    desk.visiting = Visiting()
    client = desk.accept()
    client.send(GET)
    if decision is None:
        desk.connector.caller.connect_failed(REFUSED)
    status = decision.status if decision else 502
    assert b"\r\nX-Site: %d\r\n" % status in client.got()
    assert (desk.record["client"], desk.visiting.written) == ("192.0.2.7:7", 1)


def test_an_answer_is_edited() -> None:
    desk = Desk()
    desk.decision = desk.forward(answer=Edits())
    client, _ = asking(desk)
    lines = [b"X-Hidden: a", b"x-Hidden: b", b"X-Kept: c", b"Content-Length: 0"]
    desk.connector.made().protocol.data_received(head(b"HTTP/1.1 200 OK", lines))
    got = client.got()
    assert got.startswith(b"HTTP/1.1 299 \r\nX-Kept: c\r\n")
    assert b"X-Added: 1\r\n" in got
    assert b"idden" not in got
