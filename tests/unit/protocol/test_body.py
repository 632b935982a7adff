from __future__ import annotations

import pytest
from support.heads import head, response

from fastws.errors import UpstreamReject

CHUNKS = (
    b"5\r\nhello\r\n"
    b"A;name=value\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
    b"1\r\n\n\r\n"
    b"0\r\nX-Trailer: a\r\nX-Other: \xff\r\n\r\n"
)
CHUNKED = head(b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked"])
NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("surplus", [b"", b"x", b"\r\n", b"\r\n\r\n", NEXT])
def test_a_chunked_body_split_at_every_byte(surplus: bytes) -> None:
    data = CHUNKS + surplus
    for cut in range(len(data) + 1):
        body = response(CHUNKED).body()
        taken = body.feed(data[:cut])
        assert body.complete is (cut >= len(CHUNKS))
        assert taken + body.feed(data[cut:]) == len(CHUNKS)
        assert body.complete
        assert body.eof()


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_dripped_chunked_body(size: int) -> None:
    data = CHUNKS + NEXT
    body = response(CHUNKED).body()
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert sum(body.feed(part) for part in parts) == len(CHUNKS)


def test_the_shortest_chunked_body() -> None:
    body = response(CHUNKED).body()
    assert not body.complete
    assert body.feed(b"0\r\n\r\n") == 5
    assert body.complete


@pytest.mark.parametrize("data", [b"", b"5\r\nhel", b"5\r\nhello\r\n0\r\n", b"0\r\n\r"])
def test_a_truncated_chunked_body(data: bytes) -> None:
    body = response(CHUNKED).body()
    assert body.feed(data) == len(data)
    assert not body.eof()


@pytest.mark.parametrize(
    "data",
    [b"x\r\n", b"5\nhello", b"5\r\nhelloX", b"5 \r\n", b"-1\r\n", b"0\r\nX y: a\r\n", b"0\n"],
)
def test_malformed_chunks(data: bytes) -> None:
    body = response(CHUNKED).body()
    with pytest.raises(UpstreamReject, match="chunk"):
        body.feed(data + b"\r\n\r\n")


def test_other_codings_may_precede_chunked() -> None:
    data = head(b"HTTP/1.1 200 OK", [b"Transfer-Encoding: gzip", b"Transfer-Encoding: Chunked"])
    assert response(data).body().feed(CHUNKS + b"x") == len(CHUNKS)


def test_a_declared_length() -> None:
    body = response(head(b"HTTP/1.1 404 No", [b"Content-Length: 5 "])).body()
    assert (body.feed(b"he"), body.complete, body.eof()) == (2, False, False)
    assert (body.feed(b"lloX"), body.complete, body.eof()) == (3, True, True)


def test_an_empty_body_is_complete_at_once() -> None:
    body = response(head(b"HTTP/1.1 404 No", [b"Content-Length: 0"])).body()
    assert body.complete
    assert body.feed(b"x") == 0


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("line", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_statuses_without_a_body(status: bytes, line: bytes) -> None:
    body = response(head(b"HTTP/1.1 " + status, [line])).body()
    assert body.complete
    assert body.feed(b"hello") == 0


def test_without_framing_the_end_of_the_stream_ends_it() -> None:
    body = response(head(b"HTTP/1.0 200 OK", [])).body()
    assert (body.feed(b"hello"), body.complete) == (5, False)
    assert body.eof()
    assert body.complete
