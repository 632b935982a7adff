from __future__ import annotations

import pytest
from support.heads import head, request, response

from fastws.protocol.body import Body, ChunkedBody

CHUNKS = (
    b"5\r\nhello\r\n"
    b"A\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
    b"0001\r\n\n\r\n"
    b"0\r\nX-Trailer: a\r\nX-Other: \xff\r\n\r\n"
)
PAYLOAD = b"hello\r\n\r\n\r\n\r\n\r\n\n"
CHUNKED = head(b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked"])
NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def fed(body: Body, *parts: bytes) -> tuple[bytes, bytes]:
    """What goes on, and what is behind the body."""
    pairs = [body.feed(part) for part in parts]
    return b"".join(on for on, _ in pairs), b"".join(rest for _, rest in pairs)


def bytewise(data: bytes, size: int = 1) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("surplus", [b"", b"x", b"\r\n", b"\r\n\r\n", NEXT])
def test_a_chunked_body_split_at_every_byte(surplus: bytes) -> None:
    data = CHUNKS + surplus
    for cut in range(len(data) + 1):
        body = response(CHUNKED).body()
        first = body.feed(data[:cut])
        assert body.complete is (cut >= len(CHUNKS))
        second = body.feed(data[cut:])
        assert (first[0] + second[0], first[1] + second[1]) == (CHUNKS, surplus)
        assert (body.complete, body.eof(), body.size) == (True, True, len(PAYLOAD))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_body_that_loses_its_chunks(size: int) -> None:
    body = response(CHUNKED).body(bare=True)
    assert fed(body, *bytewise(CHUNKS + NEXT, size)) == (PAYLOAD, NEXT)
    assert body.complete


def test_the_shortest_chunked_body() -> None:
    body = response(CHUNKED).body()
    assert not body.complete
    assert body.feed(b"0\r\n\r\n") == (b"0\r\n\r\n", b"")
    assert body.complete


@pytest.mark.parametrize("data", [b"", b"5\r\nhel", b"5\r\nhello\r\n0\r\n", b"0\r\n\r"])
def test_a_truncated_chunked_body(data: bytes) -> None:
    body = response(CHUNKED).body()
    body.feed(data)
    assert body.fault is None
    assert not body.eof()


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"\r\n",
        b";a\r\n",
        b"5\nhello",
        b"5\r\nhelloX",
        b"5\r\nhello\n",
        b"5\r\nhello\rX",
        b"5 \r\nhello",
        b" 5\r\nhello",
        b"5\rX",
        b"-1\r\n",
        b"+5\r\nhello",
        b"0x5\r\nhello",
        b"5_0\r\nhello",
        b"1000000000000005\r\nhello",
        b"5;a\nhello",
        b"5;a\0\r\nhello",
        b"5;" + b"a" * 1025 + b"\r\nhello",
        b"0\n",
        b"0\r\nX y: a\r\n\r\n",
        b"0\r\nX-A : a\r\n\r\n",
        b"0\r\nX-A\r\n\r\n",
        b"0\r\n folded: a\r\n\r\n",
        b"0\r\nX-A: a\nX-B: b\r\n\r\n",
        b"0\r\nX-A: a\rb\r\n\r\n",
        b"0\r\nX-A: a\0b\r\n\r\n",
        b"0\r\n: a\r\n\r\n",
        b"0\r\nX-A: " + b"a" * 8200 + b"\r\n\r\n",
        b"0\r\n" + b"X:\r\n" * 201 + b"\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_malformed_chunks(data: bytes, size: int) -> None:
    body = response(CHUNKED).body()
    fed(body, *bytewise(data + b"\r\n\r\n0\r\n\r\n", size))
    assert body.fault
    assert not body.complete


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_extensions_end_here(size: int) -> None:
    data = b'5;name=value\r\nhello\r\n1;a;b="\xe9\t;"\r\n!\r\n0;last\r\n\r\n'
    body = response(CHUNKED).body()
    assert fed(body, *bytewise(data, size)) == (b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"")
    assert body.complete


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_belongs_before_a_body_is_no_trailer(size: int) -> None:
    kept = b"0\r\nX-Sum: 1\r\nGrpc-Status: 0\r\n"
    gone = (
        b"Content-Length: 5\r\ntransfer-encoding: chunked\r\nHost: evil\r\nX-Forwarded-For: a\r\n"
        b"Connection: close\r\nAuthorization: x\r\nSet-Cookie: a=b\r\nContent-Type: a/b\r\n"
        b"If-Match: x\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n"
    )
    body = response(CHUNKED).body()
    assert fed(body, *bytewise(kept + gone + b"\r\n" + NEXT, size)) == (kept + b"\r\n", NEXT)


@pytest.mark.parametrize("size", [1, 1000])
def test_as_many_trailers_as_a_head_has_headers(size: int) -> None:
    data = b"0\r\n" + b"X:\r\n" * 200 + b"\r\n"
    body = response(CHUNKED).body()
    assert fed(body, *bytewise(data, size)) == (data, b"")
    assert body.complete


def test_a_chunked_body_has_its_limit() -> None:
    for data, fits in ((b"5\r\nhello\r\n5\r\nworld\r\n", True), (b"6\r\n", False)):
        body = ChunkedBody(200, most=10)
        body.feed(b"5\r\nhello\r\n" if not fits else b"")
        body.feed(data)
        assert (body.fault is None, body.too_large) == (fits, not fits)


def test_the_name_of_the_coding_has_no_case() -> None:
    data = head(b"HTTP/1.1 200 OK", [b"transfer-encoding: , Chunked"])
    assert response(data).body().feed(CHUNKS + b"x") == (CHUNKS, b"x")


def test_a_declared_length() -> None:
    body = response(head(b"HTTP/1.1 404 No", [b"Content-Length: 5 "])).body()
    assert (body.feed(b"he"), body.complete, body.eof()) == ((b"he", b""), False, False)
    assert (body.feed(b"lloX"), body.complete, body.eof()) == ((b"llo", b"X"), True, True)
    assert body.size == 5


def test_an_empty_body_is_complete_at_once() -> None:
    body = response(head(b"HTTP/1.1 404 No", [b"Content-Length: 0"])).body()
    assert body.complete
    assert body.feed(b"x") == (b"", b"x")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified", b"101 Switch"])
@pytest.mark.parametrize("line", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_statuses_without_a_body(status: bytes, line: bytes) -> None:
    body = response(head(b"HTTP/1.1 " + status, [line])).body()
    assert body.complete
    assert body.feed(b"hello") == (b"", b"hello")


@pytest.mark.parametrize("line", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: y"])
def test_an_answer_to_a_head_has_no_body(line: bytes) -> None:
    assert response(head(b"HTTP/1.1 200 OK", [line])).body(to_head=True).complete


def test_without_framing_the_end_of_the_stream_ends_it() -> None:
    body = response(head(b"HTTP/1.0 200 OK", [])).body()
    assert (body.feed(b"hello"), body.complete) == ((b"hello", b""), False)
    assert body.eof()
    assert body.complete


def test_a_request_without_framing_has_no_body() -> None:
    body = request(head(b"POST / HTTP/1.1", [b"Host: a"])).body()
    assert body.complete


def test_bodies_of_requests() -> None:
    sized = request(head(b"POST / HTTP/1.1", [b"Host: a", b"Content-Length: 2"])).body()
    assert sized.feed(b"abc") == (b"ab", b"c")
    chunked = request(head(b"POST / HTTP/1.1", [b"Host: a", b"Transfer-Encoding: chunked"]))
    assert chunked.body().feed(CHUNKS + NEXT) == (CHUNKS, NEXT)
    limited = chunked.body(4)
    limited.feed(CHUNKS)
    assert limited.fault
