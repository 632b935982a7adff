"""Requests that could not be read: what they get, and how they are written down."""

from __future__ import annotations

import pytest
from support.desk import Client, Desk
from support.visiting import Visiting

from fastws.proxy.decision import Reply

TORN = b"GET /a HTTP/1.1\r\nHost: a.test\r\n"


def served(page: Reply | None = None, **timeouts: float) -> tuple[Client, Visiting]:
    desk = Desk(**timeouts)
    desk.visiting = visiting = Visiting(page)
    return desk.accept(), visiting


def test_a_malformed_head_is_refused_and_written_down() -> None:
    client, visiting = served()
    for part in (TORN, b"X-A: a\r\n", b"no header\r\n\r\n"):
        client.send(part)
    got = client.got()
    assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nX-Site: 400\r\n" in got
    record = client.desk.record
    assert (record["client"], record["via"]) == ("192.0.2.7:7", "unix:")
    assert (record["target"], record["host"]) == (b"/a", b"a.test")
    assert record["reason"].startswith("The head is malformed")
    assert (visiting.written, client.lingers) == (1, True)
    trace = client.protocol.trace
    assert (trace.status, trace.whole, trace.tries) == (400, True, [])
    assert trace.received == len(TORN) + 8 + 13
    assert trace.sent == len(got)


def test_a_page_may_be_there_for_it() -> None:
    client, visiting = served(Reply(299, body=b"sorry"))
    client.send(b"HEAD / HTTP/1.1\r\n\r\n")
    got = client.got()
    assert got.startswith(b"HTTP/1.1 299 ")
    assert got.endswith(b"Content-Length: 5\r\nConnection: close\r\n\r\n")
    assert client.desk.record["status"] == 299
    assert "exactly one Host" in client.desk.record["reason"]
    assert (visiting.asked, visiting.written, client.lingers) == ([400], 1, True)


@pytest.mark.parametrize("page", [None, Reply(302, ((b"Location", b"https://a.test/"),))])
def test_plain_http_where_tls_is_spoken_is_refused_or_led_there(page: Reply | None) -> None:
    client, visiting = served(page)
    client.protocol.tls = True
    client.protocol.lacks_tls()
    assert not client.protocol.tls
    client.send(TORN + b"\r\n" + TORN + b"\r\n")
    got = client.got()
    assert got.startswith(b"HTTP/1.1 %d " % (page.status if page else 400))
    assert got.count(b"HTTP/1.1 ") == 1
    assert (visiting.asked, visiting.written, client.lingers) == ([497], 1, True)
    assert "speaks TLS" in client.desk.record["reason"]
    assert client.desk.connector.dialled == []


def test_nothing_is_passed_on_that_could_not_be_read() -> None:
    client, visiting = served()
    visiting.page = client.desk.forward()
    client.send(b"\x16\x03\x01")
    assert client.status() == 400
    assert client.desk.connector.dialled == []


def test_a_head_that_does_not_come_whole_is_written_down() -> None:
    client, visiting = served()
    client.send(TORN)
    client.desk.clock.expire(client.protocol)
    assert client.status() == 408
    assert (client.desk.record["target"], client.desk.record["status"]) == (b"/a", 408)
    assert visiting.written == 1


def test_of_a_connection_without_a_word_no_site_knows() -> None:
    client, visiting = served()
    client.desk.clock.expire(client.protocol)
    assert client.status() == 408
    assert (visiting.asked, visiting.written) == ([], 0)


@pytest.mark.parametrize("sent", [b"G", TORN])
def test_a_client_that_goes_within_its_head_is_written_down(sent: bytes) -> None:
    client, visiting = served()
    client.send(sent)
    client.go()
    assert (client.desk.record["status"], visiting.written) == (400, 1)
    assert "went away" in client.desk.record["reason"]
    assert client.protocol.trace.whole is False


def test_others_that_go_are_not() -> None:
    silent, _ = served()
    silent.go()
    assert silent.desk.access_log.records == []
    refused, visiting = served()
    refused.send(b"GET / HTTP/1.1\r\n\r\n")
    refused.go()
    assert (refused.desk.record["status"], visiting.written) == (400, 1)


def test_a_request_that_nobody_has_time_for_is_written_down() -> None:
    client, visiting = served()
    client.desk.draining = True
    client.send(b"GET /b HTTP/1.1\r\nHost: b.test\r\n\r\n")
    assert client.status() == 503
    assert (client.desk.record["target"], client.desk.record["host"]) == (b"/b", b"b.test")
    assert visiting.written == 1
