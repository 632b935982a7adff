"""Plain HTTP on the same port: framing, order, reuse, and what attackers make of them."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from support.plain import OK, answer, ask, chunked, exchange, serve
from support.proxy import Proxy
from support.raw import Upstream, Wire, connect, meanwhile, request, switching
from support.waiting import PATIENCE, SOON

MIB = 1 << 20


# -- the request --------------------------------------------------------------------------------


def test_what_the_upstream_is_sent(proxy: Proxy, upstream: Upstream) -> None:
    own = ["Cookie: a=1", "X-Empty:", "cookie: b=2", "X-Bytes: caf\xe9", "Expect: nothing"]
    gone = [
        "Connection: keep-alive, X-Secret",
        "X-Secret: 1",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Proxy-Connection: keep-alive",
        "X_Forwarded_For: 10.1.1.1",
        "X-Forwarded-For: 10.1.1.1",
    ]
    with exchange(proxy, upstream, ask("PATCH /a%2F/../b?c HTTP/1.1", *own, *gone)) as found:
        client, server, head = found
        assert head.start == "PATCH /a%2F/../b?c HTTP/1.1"
        names = {line.partition(":")[0] for line in own}
        kept = [f"{name}: {value}".strip() for name, value in head.headers if name in names]
        assert kept == own
        assert head["Host"] == "example.com:8080"
        assert head["X-Forwarded-For"] == "127.0.0.1"
        for name in ("Connection", "Keep-Alive", "TE", "X-Secret", "Proxy-Connection", "Upgrade"):
            assert head.all(name) == [], name
        assert b"10.1.1.1" not in head.raw
        server.send(OK)
        assert answer(client)[1] == b"ok"


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(
            ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"),
            id="h2c",
        ),
        pytest.param(("Upgrade: TLS/1.0, foo", "Connection: upgrade"), id="others"),
        pytest.param(("Upgrade: h2c",), id="without connection"),
        pytest.param(("Connection: Upgrade",), id="without upgrade"),
    ],
)
def test_an_upgrade_to_something_else_goes_on_without_it(
    proxy: Proxy, upstream: Upstream, lines: tuple[str, ...]
) -> None:
    with exchange(proxy, upstream, ask("GET / HTTP/1.1", *lines)) as (client, server, head):
        for name in ("Upgrade", "Connection", "HTTP2-Settings"):
            assert head.all(name) == [], name
        server.send(OK)
        assert answer(client)[0].status == 200


def test_a_body_may_come_with_an_upgrade_to_something_else(
    proxy: Proxy, upstream: Upstream
) -> None:
    """Java's client offers HTTP/2 in this way with all that it sends."""
    lines = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
    asked = ask("POST / HTTP/1.1", *lines, "Content-Length: 5", body=b"hello" + b"GARBAGE\r\n\r\n")
    with exchange(proxy, upstream, asked) as (client, server, head):
        assert head.all("Upgrade") + head.all("Connection") + head.all("HTTP2-Settings") == []
        assert server.read_body(head) == b"hello"
        server.send(OK)
        assert answer(client)[0].status == 200
        assert answer(client)[0].status == 400  # what followed is read as the next request


def test_an_empty_line_behind_a_body_is_no_request(proxy: Proxy, upstream: Upstream) -> None:
    post = ask("POST / HTTP/1.1", "Content-Length: 5", body=b"hello\r\n")
    with exchange(proxy, upstream, post + ask()) as (client, server, head):
        assert server.read_body(head) == b"hello"
        server.send(OK)
        assert answer(client)[0].status == 200
        assert serve(server).start == "GET / HTTP/1.1"
        assert answer(client)[0].status == 200


def test_an_unasked_switch_of_protocols_is_a_502(proxy: Proxy, upstream: Upstream) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(switching())
        assert client.read_head().status == 502
        server.expect_end()


# -- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 65_536, 3 * MIB])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_arrives_whole(proxy: Proxy, upstream: Upstream, framing: str, size: int) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    if framing == "length":
        line, sent = f"Content-Length: {size}", body
    else:
        line = "Transfer-Encoding: chunked"
        sent = chunked(*(body[at : at + 40_000] for at in range(0, size, 40_000)))
    with exchange(proxy, upstream, ask("PUT / HTTP/1.1", line)) as (client, server, head):
        with meanwhile(client.send, sent):
            assert server.read_body(head) == body
        server.send(OK)
        assert answer(client)[0].status == 200
        client.send(ask())
        serve(server)
        assert answer(client)[1] == b"ok"


@pytest.mark.parametrize("size", [0, 1, 65_536, 3 * MIB])
@pytest.mark.parametrize("framing", ["length", "chunked", "until-close"])
def test_an_answer_arrives_whole(proxy: Proxy, upstream: Upstream, framing: str, size: int) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    with exchange(proxy, upstream, ask()) as (client, server, _):
        if framing == "length":
            sent = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
        elif framing == "chunked":
            parts = [body[at : at + 40_000] for at in range(0, size, 40_000)]
            sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*parts)
        else:
            sent = b"HTTP/1.1 200 OK\r\n\r\n" + body
        with meanwhile(server.send, sent) as sending:
            if framing == "until-close":
                sending.add_done_callback(lambda _: server.half_close())
            head, got = answer(client)
        assert (head.status, got == body) == (200, True)
        if framing == "until-close":
            client.expect_end()


def test_a_body_passes_while_it_comes_and_is_not_gathered(proxy: Proxy, upstream: Upstream) -> None:
    asked = ask("POST / HTTP/1.1", "Transfer-Encoding: chunked")
    with exchange(proxy, upstream, asked) as (client, server, _):
        server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.read_head().status == 200
        for number in range(5):
            event = b"data: %d\n\n" % number
            client.send(b"%x\r\n%b\r\n" % (len(event), event))
            assert server.read(len(event) + 5) == b"%x\r\n%b\r\n" % (len(event), event)
            server.send(b"%x\r\n%b\r\n" % (len(event), event))
            assert client.read(len(event) + 5) == b"%x\r\n%b\r\n" % (len(event), event)
        client.send(b"0\r\n\r\n")
        assert server.read(5) == b"0\r\n\r\n"
        server.send(b"0\r\n\r\n")
        assert client.read(5) == b"0\r\n\r\n"


def test_trailers_pass_and_extensions_do_not(proxy: Proxy, upstream: Upstream) -> None:
    asked = ask(
        "POST / HTTP/1.1",
        "Transfer-Encoding: chunked",
        "Trailer: X-Sum",
        body=b"2;a=b\r\nhi\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\nHost: evil\r\n\r\n",
    )
    with exchange(proxy, upstream, asked) as (client, server, head):
        assert head["Trailer"] == "X-Sum"
        expected = b"2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n"
        assert server.read(len(expected)) == expected
        server.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n"
            b"2;c\r\nok\r\n0\r\nX-A: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        found, body = answer(client)
        assert (found["Trailer"], body, found.trailers) == ("X-A", b"ok", [("X-A", "2")])


@pytest.mark.parametrize("end", [Wire.close, Wire.reset])
@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
    ids=["length", "chunked"],
)
def test_an_answer_cut_short_is_not_passed_off_as_whole(
    proxy: Proxy, upstream: Upstream, start: bytes, end: object
) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(start)
        head = client.read_head()
        assert client.read(5)[:1] in {b"h", b"5"}
        end(server)  # type: ignore[operator]
        with pytest.raises((AssertionError, ConnectionResetError, ValueError)):
            client.read_body(head)


def test_a_malformed_chunk_of_the_upstream_ends_the_answer(
    proxy: Proxy, upstream: Upstream
) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n")
        client.read_head()
        assert client.read(7) == b"2\r\nok\r\n"
        client.expect_end()
        server.expect_end()


# -- answers without a body, and those before the last ------------------------------------------


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("HEAD / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD / HTTP/1.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD / HTTP/1.1", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("GET / HTTP/1.1", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET / HTTP/1.1", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_keeps_both_connections(
    proxy: Proxy, upstream: Upstream, line: str, reply: bytes
) -> None:
    with exchange(proxy, upstream, ask(line)) as (client, server, _):
        server.send(reply)
        assert client.read_head().start == reply.partition(b"\r\n")[0].decode()
        client.send(ask("GET /next HTTP/1.1"))
        assert serve(server).target == "/next"
        assert answer(client)[1] == b"ok"


def test_a_body_of_an_answer_that_has_none_is_not_the_next_answer(
    proxy: Proxy, upstream: Upstream
) -> None:
    with exchange(proxy, upstream, ask("HEAD / HTTP/1.1")) as (client, server, _):
        server.send(OK)
        assert client.read_head().status == 200
        client.send(ask("GET /next HTTP/1.1"))
        with upstream.accept() as second:
            assert serve(second, OK.replace(b"ok", b"OK")).target == "/next"
            assert answer(client)[1] == b"OK"
        server.expect_end()


def test_interim_answers_come_before_the_last(proxy: Proxy, upstream: Upstream) -> None:
    asked = ask("POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 2")
    with exchange(proxy, upstream, asked) as (client, server, head):
        assert head["Expect"] == "100-continue"
        client.expect_silence()
        server.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert client.read_head().start == "HTTP/1.1 100 Continue"
        client.send(b"hi")
        assert server.read(2) == b"hi"
        server.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x-a\r\nX-A: 1\r\n\r\n")
        hints = client.read_head()
        assert (hints.status, hints["Link"]) == (103, "</a>")
        assert hints.all("X-A") + hints.all("Connection") == []
        server.send(OK)
        assert answer(client)[1] == b"ok"


def test_http_1_0_hears_of_no_interim_answer_and_gets_no_chunks(
    proxy: Proxy, upstream: Upstream
) -> None:
    with exchange(proxy, upstream, ask("GET / HTTP/1.0")) as (client, server, head):
        assert head.start == "GET / HTTP/1.1"
        server.send(
            b"HTTP/1.1 103 Early Hints\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n"
            + chunked(b"he", b"llo", trailers=b"X-A: 1\r\n")
        )
        reply = client.read_head()
        assert (reply.status, reply["Connection"]) == (200, "close")
        assert reply.all("Transfer-Encoding") + reply.all("Trailer") == []
        assert client.read_all() == b"hello"


def test_http_1_0_may_keep_its_connection(proxy: Proxy, upstream: Upstream) -> None:
    asked = ask("GET / HTTP/1.0", "Connection: keep-alive")
    with exchange(proxy, upstream, asked) as (client, server, _):
        server.send(OK)
        head, body = answer(client)
        assert (head["Connection"], body) == ("keep-alive", b"ok")
        client.send(ask("GET / HTTP/1.0"))
        serve(server)
        head, body = answer(client)
        assert (head["Connection"], body) == ("close", b"ok")
        client.expect_end()


def test_http_1_0_needs_no_host(proxy: Proxy, upstream: Upstream) -> None:
    with exchange(proxy, upstream, b"GET / HTTP/1.0\r\n\r\n") as (client, server, head):
        assert head["Host"] == upstream.address
        server.send(OK)
        assert client.read_all().endswith(b"\r\n\r\nok")


def test_several_cookies_stay_several(proxy: Proxy, upstream: Upstream) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(OK.replace(b"\r\n", b"\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n", 1))
        assert answer(client)[0].all("Set-Cookie") == ["a=1; Path=/", "b=2"]


# -- order and reuse ----------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(proxy: Proxy, upstream: Upstream) -> None:
    asked = b"".join(
        ask(f"POST /{number} HTTP/1.1", "Content-Length: 1", body=b"%d" % number)
        for number in range(9)
    )
    with exchange(proxy, upstream, asked) as (client, server, first):
        for number in range(9):
            head = server.read_head() if number else first
            assert head.target == f"/{number}"
            assert server.read_body(head) == b"%d" % number
            server.expect_silence(0.02)  # the next request waits
            server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
        assert [answer(client)[1] for _ in range(9)] == [b"%d" % number for number in range(9)]


def test_many_pipelined_requests_that_we_answer_ourselves(upstream: Upstream) -> None:
    settings = {"routes[0].path": "/served"}
    with Proxy(upstream, settings=settings) as proxy, connect(proxy) as client:
        client.send(ask() * 1000)
        assert answer(client)[0].status == 404


def test_garbage_behind_a_request_is_refused_after_its_answer(
    proxy: Proxy, upstream: Upstream
) -> None:
    with exchange(proxy, upstream, ask(body=b"garbage\r\n\r\n")) as (client, server, _):
        server.send(OK)
        assert answer(client)[1] == b"ok"
        assert answer(client)[0].status == 400
        client.expect_end()


def test_a_handshake_may_follow_plain_requests(proxy: Proxy, upstream: Upstream) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(OK)
        assert answer(client)[1] == b"ok"
        client.send(request())
        with upstream.accept() as tunnelled:
            tunnelled.read_head()
            tunnelled.send(switching())
            assert client.read_head().status == 101
            client.send_text("hello")
            assert tunnelled.read_message() == b"hello"


def test_connections_to_the_upstream_are_shared(proxy: Proxy, upstream: Upstream) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(OK)
        answer(client)
        for number in range(5):
            with connect(proxy) as other:
                other.send(ask(f"GET /{number} HTTP/1.1"))
                assert serve(server).target == f"/{number}"
                answer(other)
    upstream.expect_nobody()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), id="close"),
        pytest.param(OK.replace(b"HTTP/1.1", b"HTTP/1.0"), id="http-1.0"),
        pytest.param(OK + b"surplus", id="unread bytes"),
        pytest.param(OK + OK, id="an answer nobody asked for"),
    ],
)
def test_a_connection_that_may_not_be_used_again_is_not(
    proxy: Proxy, upstream: Upstream, reply: bytes
) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(reply)
        assert answer(client)[1] == b"ok"
        server.expect_end()
        client.send(ask("GET /next HTTP/1.1"))
        with upstream.accept() as second:
            assert serve(second, OK.replace(b"ok", b"OK")).target == "/next"
            assert answer(client)[1] == b"OK"


def test_what_comes_on_an_idle_connection_is_no_answer(proxy: Proxy, upstream: Upstream) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(OK)
        assert answer(client)[1] == b"ok"
        server.send(OK.replace(b"ok", b"no"))
        server.expect_end()
        client.send(ask())
        with upstream.accept() as second:
            serve(second)
            assert answer(client)[1] == b"ok"


@pytest.mark.parametrize("end", [Wire.close, Wire.reset, Wire.half_close])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_request_on_a_stale_connection_is_asked_again(
    proxy: Proxy, upstream: Upstream, method: str, end: object
) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(OK)
        answer(client)
        client.send(ask(f"{method} /again HTTP/1.1", "Content-Length: 3", body=b"abc"))
        head = server.read_head()
        assert server.read_body(head) == b"abc"
        end(server)  # type: ignore[operator]
        with upstream.accept() as second:
            head = second.read_head()
            assert (head.target, second.read_body(head)) == ("/again", b"abc")
            second.send(OK)
            assert answer(client)[0].status == 200


def test_a_request_that_may_have_been_processed_is_not(proxy: Proxy, upstream: Upstream) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(OK)
        answer(client)
        client.send(ask("POST /order HTTP/1.1", "Content-Length: 3", body=b"one"))
        server.read_head()
        server.close()
        assert answer(client)[0].status == 502
    upstream.expect_nobody()


def test_an_upstream_may_end_its_answers_connection_at_any_time(
    proxy: Proxy, upstream: Upstream
) -> None:
    with exchange(proxy, upstream, ask()) as (client, server, _):
        server.send(OK)
        server.close()
        assert answer(client)[1] == b"ok"
        client.send(ask())
        with upstream.accept() as second:
            serve(second)
            assert answer(client)[1] == b"ok"


def test_idle_connections_have_their_time(upstream: Upstream) -> None:
    settings = {"timeouts.keepalive": "0.2", "upstreams[0].keepalive_timeout": "0.2"}
    with Proxy(upstream, settings=settings) as proxy:
        with exchange(proxy, upstream, ask()) as (client, server, _):
            server.send(OK)
            answer(client)
            client.expect_end()
            server.expect_end()


def test_no_more_connections_are_kept_than_allowed(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"upstreams[0].keepalive": "1"}) as proxy:
        with (
            exchange(proxy, upstream, ask()) as (first, one, _),
            exchange(proxy, upstream, ask()) as (second, other, _),
        ):
            one.send(OK)
            answer(first)
            other.send(OK)
            answer(second)
            one.expect_end()
            first.send(ask())
            serve(other)
            answer(first)


# -- early answers, limits and time -------------------------------------------------------------


def test_an_answer_to_an_upload_that_still_comes_gets_through(
    proxy: Proxy, upstream: Upstream
) -> None:
    asked = ask("PUT / HTTP/1.1", f"Content-Length: {8 * MIB}", body=b"x" * 1000)
    with exchange(proxy, upstream, asked) as (client, server, _):
        server.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
        server.close()
        client.send(b"x" * MIB)
        head, body = answer(client)
        assert (head.status, head["Connection"], body) == (413, "close", b"no")


def test_an_upload_goes_on_behind_an_early_answer(proxy: Proxy, upstream: Upstream) -> None:
    asked = ask("POST / HTTP/1.1", "Content-Length: 10", body=b"hello")
    with exchange(proxy, upstream, asked) as (client, server, _):
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        assert client.read_head()["Connection"] == "close"
        assert client.read(5) == b"hello"
        assert server.read(5) == b"hello"
        client.send(b"world")
        assert server.read(5) == b"world"
        server.send(b"world")
        assert client.read(5) == b"world"
        client.expect_end()


def test_a_body_has_its_limit(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"routes[0].max_body": "10"}) as proxy:
        with connect(proxy) as client:
            client.send(ask("PUT / HTTP/1.1", "Content-Length: 11"))
            assert answer(client)[0].status == 413
            client.expect_end()
        upstream.expect_nobody()
        asked = ask("PUT / HTTP/1.1", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")
        with exchange(proxy, upstream, asked) as (client, server, _):
            client.send(b"6\r\n")
            assert answer(client)[0].status == 413
            with suppress(ConnectionResetError):
                server.read_all()


def test_a_slow_body_is_cut_at_a_deadline_that_no_byte_moves(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"timeouts.body": "0.5"}) as proxy:
        asked = ask("PUT / HTTP/1.1", "Content-Length: 1000")
        with exchange(proxy, upstream, asked) as (client, server, _):
            start = time.monotonic()
            with suppress(OSError):
                while time.monotonic() - start < SOON:
                    client.send(b"x")
                    if b"408" in client.unread:
                        break
                    time.sleep(0.02)
                    client.sock.setblocking(False)
                    with suppress(BlockingIOError):
                        client.unread += client.sock.recv(1000)
                    client.sock.settimeout(PATIENCE)
            assert time.monotonic() - start < SOON
            assert answer(client)[0].status == 408
            with suppress(ConnectionResetError):
                assert set(server.read_all()) <= {ord("x")}


def test_an_upstream_that_does_not_answer_is_a_504(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"timeouts.answer": "0.4"}) as proxy:
        with exchange(proxy, upstream, ask("POST / HTTP/1.1")) as (client, server, _):
            assert answer(client)[0].status == 504
            server.expect_end()


def test_silence_in_an_answer_has_its_limit_if_one_is_set(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"timeouts.idle": "0.4"}) as proxy:
        with exchange(proxy, upstream, ask()) as (client, server, _):
            server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            client.read_head()
            assert client.read(6) == b"1\r\na\r\n"
            client.expect_end()
            server.expect_end()
        assert proxy.event("request")["ended_by"] == "idle"


def test_a_client_that_takes_nothing_is_let_go(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"timeouts.stall": "0.5"}) as proxy:
        with connect(proxy, small=True) as client:
            client.send(ask())
            with upstream.accept() as server:
                server.read_head()
                server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
                before = proxy.rss
                with suppress(ConnectionResetError):  # the end may come first
                    server.flood(b"x" * 65536, limit=100_000_000)
                assert proxy.rss - before < 2 * MIB
                server.sock.settimeout(SOON)
                server.expect_end()
            assert proxy.event("request")["ended_by"] in {"stall", "client_lost"}


def test_a_client_that_goes_away_ends_the_exchange(proxy: Proxy, upstream: Upstream) -> None:
    starts = (
        b"",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    )
    for start in starts:
        for end in (Wire.close, Wire.reset):
            with exchange(proxy, upstream, ask()) as (client, server, _):
                server.send(start)
                if start:
                    client.read_head()
                end(client)
                server.sock.settimeout(SOON)
                server.expect_end()


def test_a_client_that_goes_away_in_its_body_ends_the_exchange(
    proxy: Proxy, upstream: Upstream
) -> None:
    for end in (Wire.close, Wire.reset, Wire.half_close):
        asked = ask("PUT / HTTP/1.1", "Content-Length: 10", body=b"hello")
        with exchange(proxy, upstream, asked) as (client, server, _):
            assert server.read(5) == b"hello"
            end(client)
            server.expect_end()


def test_a_client_that_ends_its_half_gets_its_answers(proxy: Proxy, upstream: Upstream) -> None:
    with exchange(proxy, upstream, ask() + ask()) as (client, server, _):
        client.half_close()
        server.send(OK)
        serve(server)
        assert answer(client)[1] == b"ok"
        assert answer(client)[1] == b"ok"
        client.expect_end()


def test_the_last_of_an_answer_waits_for_a_slow_reader(upstream: Upstream) -> None:
    size = 8 * MIB
    with Proxy(upstream, settings={"timeouts.linger": "0.1"}) as proxy:
        with connect(proxy, small=True) as client:
            client.send(ask("GET / HTTP/1.1", "Connection: close"))
            with upstream.accept() as server:
                server.read_head()
                with meanwhile(
                    server.send,
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size,
                ):
                    head = client.read_head()
                    got = len(client.read(size - MIB))
                    time.sleep(1)
                    assert got + len(client.read_all()) == size
                    assert head["Content-Length"] == str(size)


# -- the log ------------------------------------------------------------------------------------


def test_one_line_for_each_request(proxy: Proxy, upstream: Upstream) -> None:
    asked = ask("PUT /logged?a HTTP/1.1", "Content-Length: 5", body=b"hello")
    with exchange(proxy, upstream, asked) as (client, server, _):
        server.send(OK)
        answer(client)
        record = proxy.event("request", port=client.port, target="/logged?a")
    assert record["duration"] >= 0
    expected = {
        "level": "info",
        "method": "PUT",
        "host": "example.com:8080",
        "status": 200,
        "upstream": upstream.address,
        "ended_by": "complete",
        "reason": "",
        "bytes_in": 5,
        "bytes_out": 2,
    }
    assert {name: record[name] for name in expected} == expected


def test_a_refusal_is_logged_with_its_reason(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"routes[0].path": "/served"}) as proxy:
        with connect(proxy) as client:
            client.send(ask())
            assert answer(client)[0].status == 404
            record = proxy.event("request", port=client.port)
    assert (record["level"], record["status"], record["ended_by"]) == ("warning", 404, "refused")
    assert record["reason"]


def test_allowed_origins_guard_handshakes_alone(upstream: Upstream) -> None:
    settings = {"routes[0].allowed_origins": '["https://a.example"]'}
    with Proxy(upstream, settings=settings) as proxy:
        asked = ask("GET / HTTP/1.1", "Origin: https://b.example")
        with exchange(proxy, upstream, asked) as (client, server, _):
            server.send(OK)
            assert answer(client)[0].status == 200


def test_an_idle_connection_does_not_hold_a_shutdown(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"drain.timeout": "600"}) as proxy:
        with connect(proxy) as silent, exchange(proxy, upstream, ask()) as (client, server, _):
            server.send(OK)
            answer(client)
            assert proxy.stop() == 0
            client.expect_end()
            silent.expect_end()
