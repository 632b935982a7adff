"""Single steps of the relay and the handshake, without sockets."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from support.frames import BINARY, TEXT
from support.tunnels import DOWN, SIDES, UP, Side, by, closing, opened

from fastws._memory import MemoryTunnel
from fastws._pipe import Pipe, Rules
from fastws.config.model import Limits
from fastws.protocol.accept import accept_key
from fastws.protocol.handshake import check_answer, judge, switching_response, upgrade_request
from fastws.protocol.head import RequestHead, ResponseHead
from fastws.protocol.headers import Forwarded

SEGMENT = 64 * 1024
both_ways = pytest.mark.parametrize("side", SIDES)

HEAD = b"\r\n".join(
    [
        b"GET /chat?room=1 HTTP/1.1",
        b"Host: example.com",
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        b"Accept: */*",
        b"Accept-Language: en-US,en;q=0.5",
        b"Accept-Encoding: gzip, deflate, br, zstd",
        b"Sec-WebSocket-Version: 13",
        b"Origin: https://example.com",
        b"Sec-WebSocket-Extensions: permessage-deflate",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Connection: keep-alive, Upgrade",
        b"Cookie: session=0123456789abcdef0123456789abcdef",
        b"Upgrade: websocket",
        b"",
        b"",
    ]
)
ANSWER = b"\r\n".join(
    [
        b"HTTP/1.1 101 Switching Protocols",
        b"Date: Sun, 22 Nov 2026 19:00:00 GMT",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        b"Sec-WebSocket-Extensions: permessage-deflate",
        b"",
        b"",
    ]
)


def segment(side: Side, size: int) -> bytes:
    """Build as many whole frames as one segment holds."""
    one = by(side, BINARY, bytes(size))
    return one * max(1, SEGMENT // len(one))


@both_ways
@pytest.mark.parametrize("size", [2, 125, 1024, SEGMENT])
def test_header_walk(benchmark: BenchmarkFixture, size: int, side: Side) -> None:
    """Walk 64 KiB of frames of one size."""
    data = segment(side, size)
    pipe = Pipe(Rules(), masked=side == DOWN)
    benchmark.group = "64 KiB of frames through a pipe"
    assert benchmark(pipe.forward, data) == data


@both_ways
@pytest.mark.parametrize("text", ["plain ascii ", "grün €uro 🦉 "], ids=["ascii", "mixed"])
def test_utf8(benchmark: BenchmarkFixture, text: str, side: Side) -> None:
    """Validate a text of 64 KiB."""
    payload = text.encode()
    data = by(side, TEXT, payload * (SEGMENT // len(payload)))
    pipe = Pipe(Rules(validate_utf8=True), masked=side == DOWN)
    benchmark.group = "64 KiB of text validated"
    assert benchmark(pipe.forward, data) == data


@pytest.mark.parametrize("size", [64, SEGMENT])
def test_echo(benchmark: BenchmarkFixture, size: int) -> None:
    """Take a message through a tunnel and back."""
    tunnel = opened()
    question, answer = (by(side, BINARY, bytes(size)) for side in SIDES)

    def echo() -> bytes:
        tunnel.receive(DOWN, question)
        tunnel.take(UP)
        tunnel.receive(UP, answer)
        return tunnel.take(DOWN)

    benchmark.group = "a message there and back over memory"
    assert benchmark(echo) == answer


def test_tunnel(benchmark: BenchmarkFixture) -> None:
    """Open a tunnel and close it from both sides."""
    rules = Rules()
    closes = [(side, closing(side, 1000)) for side in SIDES]

    def live() -> bool:
        tunnel = MemoryTunnel(rules)
        for side, close in closes:
            tunnel.receive(side, close)
        for side in (UP, DOWN):
            tunnel.receive_eof(side)
            tunnel.lose(side)
        return tunnel.over

    benchmark.group = "the life of a tunnel"
    assert benchmark(live)


def test_accept_key(benchmark: BenchmarkFixture) -> None:
    """Answer a key."""
    benchmark.group = "handshake"
    assert benchmark(accept_key, b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def parsed(data: bytes) -> RequestHead:
    """Parse a whole request's head."""
    head = RequestHead(Limits())
    head.feed(data)
    return head


def answered(data: bytes) -> ResponseHead:
    """Parse a whole answer's head."""
    head = ResponseHead(Limits())
    head.feed(data)
    return head


def test_request_head(benchmark: BenchmarkFixture) -> None:
    """Parse and judge a browser's upgrade request."""
    limits = Limits()

    def parse() -> RequestHead:
        head = RequestHead(limits)
        head.feed(HEAD)
        judge(head)
        return head

    benchmark.group = "handshake"
    assert benchmark(parse).target == b"/chat?room=1"


def test_upgrade_request(benchmark: BenchmarkFixture) -> None:
    """Build the request to the upstream."""
    request = judge(parsed(HEAD))
    forwarded = Forwarded(b"192.0.2.1", tls=False, trusted=False)
    benchmark.group = "handshake"
    assert benchmark(upgrade_request, request, forwarded).startswith(b"GET /chat?room=1 HTTP/1.1")


def test_answer_head(benchmark: BenchmarkFixture) -> None:
    """Parse the upstream's 101 and hold it against the request."""
    limits = Limits()
    request = judge(parsed(HEAD))

    def check() -> bool:
        head = ResponseHead(limits)
        head.feed(ANSWER)
        return check_answer(request, head) is not None

    benchmark.group = "handshake"
    assert benchmark(check)


def test_switching_response(benchmark: BenchmarkFixture) -> None:
    """Build the 101 to the client."""
    agreed = check_answer(judge(parsed(HEAD)), answered(ANSWER))
    assert agreed is not None
    benchmark.group = "handshake"
    assert benchmark(switching_response, agreed).startswith(b"HTTP/1.1 101 ")
