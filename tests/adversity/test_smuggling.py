"""What could be read in two ways, by us and by those we pass it to: requests, bodies, answers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.plain import OK, answer, ask, exchange, serve
from support.raw import connect

if TYPE_CHECKING:
    from support.proxy import Proxy
    from support.raw import Upstream

# -- requests -----------------------------------------------------------------------------------

LENGTHS = (
    "Content-Length: -5",
    "Content-Length: 0x5",
    "Content-Length: 5 5",
    "Content-Length: 5;",
    "Content-Length: 18446744073709551621",
    "Content-Length : 5",
    "Content-Length\t: 5",
    " Content-Length: 5",
    "Content-Length: 5\x0b",
    "Content-Length: 5\r\n 0",
    "Content-Length: 5\nX: y",
    "Content-Length: 5\rX: y",
    "Content-Length: \xb2",
)
CODINGS = (
    "Transfer-Encoding : chunked",
    " Transfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "Transfer-Encoding\n: chunked",
    "Transfer-Encoding:",
    'Transfer-Encoding: "chunked"',
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: chunked\0",
    "Transfer-Encoding: cow\r\n chunked",
    "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
)
LINES = (
    "X: y\r\n folded",
    "X: y\nZ: w",
    "X: y\rZ: w",
    "X\0: y",
    "X: y\0",
    "X y: z",
    ": z",
    "X",
    "Host : b",
)
REQUEST_LINES = (
    "GET  / HTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET /\tHTTP/1.1",
    "GET / HTTP/1.2",
    "GET / HTTP/2.0",
    "GET / http/1.1",
    "GET /",
    "GET /a#b HTTP/1.1",
    "GET /\0 HTTP/1.1",
    "GET /\xff HTTP/1.1",
    " GET / HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "TRACE / HTTP/1.1",
)
AMBIGUOUS = {
    "length and coding": ask(
        "POST / HTTP/1.1",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        body=b"0\r\n\r\nG",
    ),
    "coding and length": ask(
        "POST / HTTP/1.1",
        "Transfer-Encoding: chunked",
        "Content-Length: 5",
        body=b"0\r\n\r\nG",
    ),
    "two lengths": ask("POST / HTTP/1.1", "Content-Length: 5", "Content-Length: 6"),
    "the same length twice": ask("POST / HTTP/1.1", "Content-Length: 5", "Content-Length: 5"),
    "list of lengths": ask("POST / HTTP/1.1", "Content-Length: 5, 5"),
    "signed length": ask("POST / HTTP/1.1", "Content-Length: +5"),
    "empty length": ask("POST / HTTP/1.1", "Content-Length: "),
    "huge length": ask("POST / HTTP/1.1", "Content-Length: 99999999999999999999"),
    "unknown coding": ask("POST / HTTP/1.1", "Transfer-Encoding: xchunked"),
    "identity": ask("POST / HTTP/1.1", "Transfer-Encoding: identity"),
    "two codings": ask("POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked"),
    "chunked twice": ask("POST / HTTP/1.1", "Transfer-Encoding: chunked, chunked"),
    "chunked, identity": ask("POST / HTTP/1.1", "Transfer-Encoding: chunked, identity"),
    "two lines of coding": ask(
        "POST / HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: cow"
    ),
    "tab before the coding's colon": ask("POST / HTTP/1.1", "Transfer-Encoding\t: chunked"),
    "vertical tab in the coding": ask("POST / HTTP/1.1", "Transfer-Encoding: \x0bchunked"),
    "folded coding": ask("POST / HTTP/1.1", "Transfer-Encoding:\r\n chunked"),
    "coding in http-1.0": ask("POST / HTTP/1.0", "Transfer-Encoding: chunked"),
    "two hosts": ask("GET / HTTP/1.1", "Host: other"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "absolute form": ask("GET http://other/ HTTP/1.1"),
    "body with a handshake": ask(
        "GET / HTTP/1.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Content-Length: 1",
        body=b"x",
    ),
    **{f"length {line!r}": ask("POST / HTTP/1.1", line, body=b"hello") for line in LENGTHS},
    **{f"coding {line!r}": ask("POST / HTTP/1.1", line, body=b"0\r\n\r\n") for line in CODINGS},
    **{f"{line!r}": ask("GET / HTTP/1.1", line) for line in LINES},
    **{f"{line!r}": ask(line) for line in REQUEST_LINES},
}


@pytest.mark.parametrize("asked", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_request_is_refused_and_nothing_is_dialled(
    proxy: Proxy, upstream: Upstream, asked: bytes
) -> None:
    with connect(proxy) as client:
        client.send(asked)
        head = client.read_head()
        assert 400 <= head.status < 500
        client.read_body(head)
        client.expect_end()
    upstream.expect_nobody()


def test_a_dropped_name_frames_no_body(proxy: Proxy, upstream: Upstream) -> None:
    lines = ("Content-Length: 3", "Transfer_Encoding: chunked", "Content_Length: 99")
    with exchange(proxy, upstream, ask("POST / HTTP/1.1", *lines, body=b"abc")) as found:
        client, server, head = found
        assert [name for name, _ in head.headers if "_" in name] == []
        assert server.read_body(head) == b"abc"
        server.send(OK)
        assert answer(client)[1] == b"ok"


def test_nothing_that_frames_a_request_can_be_nominated_away(
    proxy: Proxy, upstream: Upstream
) -> None:
    line = "Connection: Host, Content-Length, X-Forwarded-For, close"
    asked = ask("POST / HTTP/1.1", line, "Content-Length: 3", body=b"abc")
    with exchange(proxy, upstream, asked) as (client, server, head):
        assert (head["Host"], head["X-Forwarded-For"]) == ("example.com:8080", "127.0.0.1")
        assert server.read_body(head) == b"abc"
        server.send(OK)
        assert answer(client)[1] == b"ok"


# -- their bodies -------------------------------------------------------------------------------

CHUNKS = {
    "no size": b"5\r\nhello\r\nX\r\n",
    "empty line for a size": b"\r\n5\r\nhello\r\n",
    "bare LF": b"5\nhello\r\n0\r\n\r\n",
    "bare CR": b"5\rhello\r\n0\r\n\r\n",
    "bare LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "bare LF at the end": b"5\r\nhello\r\n0\n\n",
    "longer than its size": b"5\r\nhelloGET /evil HTTP/1.1\r\n",
    "no end": b"5\r\nhello0\r\n\r\n",
    "overflow": b"FFFFFFFFFFFFFFFFF\r\n",
    "overflow to a small one": b"10000000000000005\r\nhello\r\n",
    "many zeros": b"000000000000000000005\r\nhello\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n",
    "minus": b"-5\r\nhello\r\n",
    "space before": b" 5\r\nhello\r\n",
    "space behind": b"5 \r\nhello\r\n",
    "no digit": b"g\r\nhello\r\n",
    "bare LF in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a\0\r\nhello\r\n",
    "long extension": b"5;" + b"a" * 2000 + b"\r\nhello\r\n",
    "no trailer": b"0\r\nbad trailer\r\n\r\n",
    "bare LF in trailers": b"0\r\nX: y\n\r\n",
    "folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
    "long trailer": b"0\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
    "many trailers": b"0\r\n" + b"X:\r\n" * 201 + b"\r\n",
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS)
def test_a_malformed_chunk_ends_the_exchange(proxy: Proxy, upstream: Upstream, body: bytes) -> None:
    asked = ask("POST / HTTP/1.1", "Transfer-Encoding: chunked", body=b"1\r\na\r\n")
    with exchange(proxy, upstream, asked) as (client, server, _):
        assert server.read(6) == b"1\r\na\r\n"
        client.send(body)
        head, _ = answer(client)
        assert head.status == 400
        client.expect_end()
        with suppress(ConnectionResetError):
            rest = server.read_all()
            assert b"0\r\n\r\n" not in rest
            assert b"evil" not in rest


def test_a_request_within_an_extension_is_none(proxy: Proxy, upstream: Upstream) -> None:
    inner = b"5;a=b;c=GET /evil HTTP/1.1\r\nhello\r\n0\r\n\r\n"
    asked = ask("POST / HTTP/1.1", "Transfer-Encoding: chunked", body=inner)
    with exchange(proxy, upstream, asked + ask("GET /next HTTP/1.1")) as (client, server, head):
        assert server.read_body(head) == b"hello"
        server.send(OK)
        assert answer(client)[1] == b"ok"
        assert serve(server).target == "/next"
        assert answer(client)[1] == b"ok"


# -- answers ------------------------------------------------------------------------------------

BODY = b"2\r\nok\r\n0\r\n\r\n"
UNREADABLE = {
    "length and coding": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    "the same length twice": b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "negative length": b"Content-Length: -1\r\n\r\nok",
    "huge length": b"Content-Length: 99999999999999999999\r\n\r\nok",
    "another coding": b"Transfer-Encoding: gzip, chunked\r\n\r\n" + BODY,
    "another coding alone": b"Transfer-Encoding: gzip\r\n\r\nok",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n" + BODY,
    "folded": b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "NUL": b"X: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"X: a\nContent-Length: 2\r\n\r\nok",
    "bare CR": b"X: a\rContent-Length: 2\r\n\r\nok",
    "large": b"X: " + b"a" * 70_000 + b"\r\n\r\n",
    "many headers": b"X:\r\n" * 201 + b"\r\n",
}


@pytest.mark.parametrize("lines", UNREADABLE.values(), ids=UNREADABLE)
def test_an_answer_that_could_be_read_in_two_ways_is_a_502(
    proxy: Proxy, upstream: Upstream, lines: bytes
) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(b"HTTP/1.1 200 OK\r\n" + lines)
        assert answer(client)[0].status == 502
        server.expect_end()


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize(
    "lines", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n" + BODY]
)
def test_what_comes_behind_an_answer_without_a_body_is_dropped(
    proxy: Proxy, upstream: Upstream, status: str, lines: bytes
) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(f"HTTP/1.1 {status}\r\n".encode() + lines)
        assert client.read_head().start == f"HTTP/1.1 {status}"
        server.expect_end()
        client.send(ask("GET /next HTTP/1.1"))
        with upstream.accept() as second:
            assert serve(second).target == "/next"
            assert answer(client)[1] == b"ok"


def test_a_flood_of_interim_answers_ends(proxy: Proxy, upstream: Upstream) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        with suppress(ConnectionError):
            server.send((b"HTTP/1.1 102 Processing\r\nX: " + b"a" * 100 + b"\r\n\r\n") * 5000)
        heads = 0
        while client.read_head().status == 102:
            heads += 1
        assert 0 < heads < 65_536 // 100
        server.expect_end()
