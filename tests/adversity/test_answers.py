"""What upstreams may answer to a handshake: only a correct 101 opens a tunnel."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from support.frames import TEXT
from support.proxy import Proxy
from support.raw import Upstream, Wire, accept_key, connect, request, switching, tunnel
from support.waiting import SOON

if TYPE_CHECKING:
    from collections.abc import Iterator

WRONG_ACCEPT = f"Sec-WebSocket-Accept: {accept_key('AAAAAAAAAAAAAAAAAAAAAA==')}"
REFLECTED = "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ=="


def answered(proxy: Proxy, upstream: Upstream, answer: bytes) -> tuple[Wire, Wire]:
    """A client and an upstream that has answered."""
    client = connect(proxy)
    client.send(request())
    server = upstream.accept()
    server.read_head()
    server.send(answer)
    return client, server


BAD_ANSWERS = {
    "no accept": switching(without=["Sec-WebSocket-Accept"]),
    "accept of another key": switching(WRONG_ACCEPT, without=["Sec-WebSocket-Accept"]),
    "reflected key": switching(REFLECTED, without=["Sec-WebSocket-Accept"]),
    "two accepts": switching(WRONG_ACCEPT),
    "no upgrade": switching(without=["Upgrade"]),
    "no connection": switching(without=["Connection"]),
    "upgrade to h2c": switching("Upgrade: h2c", without=["Upgrade"]),
    "connection: close": switching("Connection: close", without=["Connection"]),
    "101 in http-1.0": switching().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "not http": b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
    "binary": b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n",
    "http-0.9 body": b"<html>hello</html>\r\n\r\n",
    "bare LF": switching().replace(b"\r\n", b"\n"),
    "obs-fold": switching("X-A: one\r\n two"),
    "NUL in a value": switching("X-A: on\0e"),
    "space before the colon": switching("X-A : one"),
    "empty name": switching(": one"),
    "long head": switching(*[f"X-{i}: {'x' * 4000}" for i in range(20)]),
    "201 headers": switching(*[f"X-{i}: x" for i in range(199)]),
    "both lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_is_a_502_and_no_tunnel(
    proxy: Proxy, upstream: Upstream, answer: bytes
) -> None:
    client, server = answered(proxy, upstream, answer)
    with client, server:
        refusal = client.read_head()
        assert refusal.status == 502
        assert client.read_body(refusal).strip()
        client.expect_end()
        server.expect_end()


@pytest.mark.parametrize("end", [Wire.close, Wire.reset, Wire.half_close])
@pytest.mark.parametrize("answer", [b"", switching()[:30]], ids=["nothing", "half a head"])
def test_an_upstream_that_hangs_up_is_a_502(
    proxy: Proxy, upstream: Upstream, answer: bytes, end: object
) -> None:
    client, server = answered(proxy, upstream, answer)
    with client, server:
        end(server)  # type: ignore[operator]
        assert client.read_head().status == 502


# -- answers that are no upgrade ----------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 426, 429, 500, 503])
def test_an_answer_that_is_no_101_goes_to_the_client_whole(
    proxy: Proxy, upstream: Upstream, status: int
) -> None:
    answer = (
        f"HTTP/1.1 {status} Because\r\nX-First: 1\r\nSet-Cookie: a=1\r\nRetry-After: 7\r\n"
        'WWW-Authenticate: Basic realm="x"\r\nSet-Cookie: b=2\r\nLocation: /elsewhere?x=1\r\n'
        "Content-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
    )
    client, server = answered(proxy, upstream, answer.encode())
    with client, server:
        head = client.read_head()
        assert head.start == f"HTTP/1.1 {status} Because"
        assert head.all("Set-Cookie") == ["a=1", "b=2"]
        assert head["Location"] == "/elsewhere?x=1"
        assert head["WWW-Authenticate"] == 'Basic realm="x"'
        assert head["Retry-After"] == "7"
        assert "close" in head["Connection"].split(", ")
        assert client.read_body(head) == b"hello"
        client.expect_end()
        server.expect_end()


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "until-close"])
def test_a_body_of_any_framing_arrives_whole(
    proxy: Proxy, upstream: Upstream, framing: str, size: int
) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    client, server = answered(proxy, upstream, b"HTTP/1.1 403 Forbidden\r\n")
    with client, server:
        if framing == "length":
            server.send(b"Content-Length: %d\r\n\r\n" % size)
            pieces = [body]
        elif framing == "chunked":
            server.send(b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
            parts = [body[at : at + 40_000] for at in range(0, size, 40_000)]
            pieces = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
            pieces.append(b"0\r\nX-Sum: 42\r\n\r\n")
        else:
            server.send(b"\r\n")
            pieces = [body]
        for piece in pieces:
            server.send(piece)
        if framing == "until-close":
            server.half_close()
        head = client.read_head()
        assert head.status == 403
        assert client.read_body(head) == body
        assert head.trailers in ([], [("X-Sum", "42")])
        client.expect_end()


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_ends_with_its_head(
    proxy: Proxy, upstream: Upstream, status: int
) -> None:
    client, server = answered(proxy, upstream, b"HTTP/1.1 %d None\r\nETag: x\r\n\r\n" % status)
    with client, server:
        head = client.read_head()
        assert (head.status, head["ETag"]) == (status, "x")
        client.expect_end()


def test_a_200_with_upgrade_headers_opens_no_tunnel(proxy: Proxy, upstream: Upstream) -> None:
    answer = switching("Content-Length: 2").replace(b"101 Switching Protocols", b"200 OK") + b"ok"
    client, server = answered(proxy, upstream, answer)
    with client, server:
        client.send_text("let me in")
        head = client.read_head()
        assert (head.status, head.all("Upgrade")) == (200, [])
        assert client.read_body(head) == b"ok"
        client.expect_end()
        server.expect_end()


def test_a_body_cut_short_is_not_passed_off_as_whole(proxy: Proxy, upstream: Upstream) -> None:
    client, server = answered(
        proxy, upstream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    )
    with client, server:
        head = client.read_head()
        server.close()
        with pytest.raises((AssertionError, ConnectionResetError)):
            client.read_body(head)


# -- the 101 ------------------------------------------------------------------------------------


def test_the_101_keeps_its_headers_and_loses_hop_by_hop_ones(
    proxy: Proxy, upstream: Upstream
) -> None:
    answer = switching(
        "Set-Cookie: a=1; Path=/",
        "Set-Cookie: b=2; HttpOnly",
        "Connection: Upgrade, X-Secret",
        "X-Secret: 1",
        "Keep-Alive: timeout=5",
        "X-Bytes: caf\xe9",
        "Server: something",
        without=["Connection"],
    )
    client, server = answered(proxy, upstream, answer)
    with client, server:
        head = client.read_head()
        assert head.status == 101
        assert head["Upgrade"].lower() == "websocket"
        assert head["Connection"].lower() == "upgrade"
        assert head.all("Set-Cookie") == ["a=1; Path=/", "b=2; HttpOnly"]
        assert head["X-Bytes"] == "caf\xe9"
        assert head["Server"] == "something"
        assert head.all("X-Secret") + head.all("Keep-Alive") == []


def test_interim_answers_do_not_disturb_the_101(proxy: Proxy, upstream: Upstream) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    client, server = answered(proxy, upstream, interim + switching())
    with client, server:
        while (head := client.read_head()).status in {100, 103}:
            pass
        assert head.status == 101
        server.send_text("hello")
        assert client.read_message() == b"hello"


def test_bytes_glued_to_the_101_arrive(proxy: Proxy, upstream: Upstream) -> None:
    big = bytes(range(256)) * 4000
    hello = Wire.frame
    client, server = answered(proxy, upstream, b"")
    with client, server:
        server.send(switching() + hello(server, TEXT, b"hello") + hello(server, TEXT, big))
        assert client.read_head().status == 101
        assert client.read_message() == b"hello"
        assert client.read_message() == big


def test_last_words_glued_to_the_101_arrive_though_the_upstream_is_gone(
    proxy: Proxy, upstream: Upstream
) -> None:
    client, server = answered(proxy, upstream, b"")
    with client:
        server.send(switching() + server.frame(TEXT, b"hello") + b"\x88\x02\x0f\xa0")
        server.close()
        assert client.read_head().status == 101
        assert client.read_message() == b"hello"
        assert client.read_close() == (4000, "")


# -- peers that are not there -------------------------------------------------------------------


def refused_address() -> str:
    """An address at which nobody listens."""
    with Upstream() as upstream:
        return upstream.address


class BlackHole:
    """A listening socket with a full backlog: connects to it get no answer at all."""

    def __init__(self) -> None:
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(0)
        self.waiting: list[socket.socket] = []
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(self.sock.getsockname())
            self.waiting.append(waiting)
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"

    def close(self) -> None:
        for sock in (*self.waiting, self.sock):
            sock.close()


@pytest.fixture
def black_hole() -> Iterator[BlackHole]:
    hole = BlackHole()
    yield hole
    hole.close()


def refusal(proxy: Proxy) -> tuple[int, str]:
    """The status that a valid request gets, and why."""
    with connect(proxy) as client:
        client.send(request())
        head = client.read_head()
        why = client.read_body(head).decode()
        client.expect_end()
        return head.status, why


def test_a_refused_connect_is_a_502() -> None:
    with Proxy(refused_address()) as proxy:
        status, why = refusal(proxy)
        assert (status, "Connection refused" in why) == (502, True)


def test_the_next_peer_is_tried_and_each_only_once(upstream: Upstream) -> None:
    with Proxy(refused_address(), upstream, refused_address()) as proxy:
        for _ in range(6):
            with tunnel(proxy, upstream) as (client, server):
                client.send_text("hello")
                assert server.read_message() == b"hello"
    with Proxy(refused_address(), refused_address()) as proxy:
        assert refusal(proxy)[0] == 502


def test_a_black_hole_is_a_504_in_the_connect_timeout(black_hole: BlackHole) -> None:
    with Proxy(black_hole, settings={"timeouts.connect": "0.5"}) as proxy:
        start = time.monotonic()
        status, why = refusal(proxy)
        assert (status, "no connection within 0.5 s" in why) == (504, True)
        assert 0.4 < time.monotonic() - start < SOON


def test_after_a_black_hole_the_next_peer_is_tried(
    black_hole: BlackHole, upstream: Upstream
) -> None:
    with Proxy(black_hole, upstream, settings={"timeouts.connect": "0.3"}) as proxy:
        for _ in range(2):
            with tunnel(proxy, upstream):
                pass


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([], id="silence"),
        pytest.param([switching()[:40]], id="half a head"),
        pytest.param([b"HTTP/1.1 103 Early Hints\r\n\r\n"] * 200, id="endless interim answers"),
        pytest.param([b"HTTP/1.1 200 OK\r\nX-A: ", *[b"x"] * 200], id="a dripping head"),
    ],
)
def test_an_upstream_that_never_finishes_its_head_is_a_504(
    upstream: Upstream, script: list[bytes]
) -> None:
    settings = {"timeouts.handshake": "0.6"}
    with Proxy(upstream, settings=settings) as proxy, connect(proxy) as client:
        start = time.monotonic()
        client.send(request())
        with upstream.accept() as server:
            server.read_head()
            with suppress(OSError):  # it is cut off in the middle
                for piece in script:
                    server.send(piece)
                    time.sleep(0.01)
            while (head := client.read_head()).status == 103:
                pass
            assert head.status == 504
            assert time.monotonic() - start < SOON


def test_a_hanging_upstream_does_not_hold_the_others(proxy: Proxy, upstream: Upstream) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connect(proxy)).send(request("/hangs"))
            stack.enter_context(upstream.accept()).read_head()
        with tunnel(proxy, upstream) as (client, server):
            client.send_text("hello")
            assert server.read_message() == b"hello"
