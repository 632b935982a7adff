"""Opening handshakes that come to no tunnel: what the client gets, and what is logged."""

from __future__ import annotations

import pytest
from support.desk import Client, Desk, FakeTransport
from support.heads import UPGRADE, head
from support.visiting import Visiting

from fastws.proxy.decision import Reply

ASK = head(b"GET /ws HTTP/1.1", UPGRADE)
NO = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"


def asking(desk: Desk) -> tuple[Client, FakeTransport]:
    client = desk.accept()
    client.send(ASK)
    return client, desk.connector.made()


def test_an_answer_that_is_no_101_goes_on_whole_and_both_sides_close() -> None:
    desk = Desk()
    client, peer = asking(desk)
    peer.protocol.data_received(NO)
    got = client.got()
    assert got.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert got.endswith(b"\r\n\r\nno")
    assert (client.lingers, peer.words, desk.group.connections) == (True, ["abort"], [0])
    assert (desk.record["status"], desk.record["reason"]) == (403, "answer of the upstream")


SWITCHING = b"HTTP/1.1 101 Switching Protocols"
FORGED = [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: forged"]


@pytest.mark.parametrize("answer", [head(SWITCHING, []), head(SWITCHING, FORGED)])
def test_a_101_that_does_not_fit_is_a_502_and_nobodys_failure(answer: bytes) -> None:
    desk = Desk()
    client, peer = asking(desk)
    peer.protocol.data_received(answer)
    assert (client.status(), desk.record["status"]) == (502, 502)
    assert (desk.group.connections, desk.group.failures) == ([0], [0])


def test_a_page_takes_the_place_of_an_error_and_the_log_says_of_which() -> None:
    desk = Desk()
    desk.visiting = Visiting(Reply(299, body=b"page"))
    client, peer = asking(desk)
    peer.protocol.connection_lost(None)
    assert client.got().endswith(b"\r\n\r\npage")
    assert desk.record["status"] == 299
    assert desk.record["reason"].startswith("The upstream gave no answer")
    assert client.lingers


def test_a_peer_has_its_time_to_answer() -> None:
    desk = Desk(handshake=7.0)
    client, peer = asking(desk)
    session = client.protocol._session
    assert session is not None
    assert desk.clock.left(session) == 7.0
    desk.clock.expire(session)
    assert (client.status(), peer.words) == (504, ["abort"])


def test_a_client_that_goes_before_the_answer_is_logged() -> None:
    desk = Desk()
    desk.visiting = visiting = Visiting()
    client, peer = asking(desk)
    client.go()
    assert (desk.record["status"], desk.group.connections) == (499, [0])
    assert (peer.words, visiting.written) == (["abort"], 1)
    assert client.protocol.trace.status == 499
