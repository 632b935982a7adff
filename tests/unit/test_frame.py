"""Header, close code and UTF-8 leaf functions, as they show through a pipe."""

from __future__ import annotations

import pytest
from support.frames import BINARY, CLOSE, PING, TEXT, close_payload, frame, header
from support.reference import is_utf8

from fastws._pipe import Pipe, Rules

KEYS = [None, b"\x12\x34\x56\x78"]
both_ways = pytest.mark.parametrize("key", KEYS, ids=["unmasked", "masked"])


def pipe_for(key: bytes | None, **rules: float) -> Pipe:
    return Pipe(Rules(**rules), masked=key is not None)


def verdict_on(text: bytes, key: bytes | None) -> int:
    pipe = pipe_for(key, validate_utf8=True)
    pipe.forward(frame(TEXT, text, key=key))
    return pipe.verdict


@both_ways
@pytest.mark.parametrize("length", [0, 125, 126, 127, 255, 256, 32768, 65535, 65536, 1 << 24])
def test_the_length_is_where_the_frame_ends(key: bytes | None, length: int) -> None:
    pipe, start = pipe_for(key), header(BINARY, length, key=key)
    assert pipe.forward(start) == start
    if length:
        pipe.forward(bytes(length - 1))
        assert not pipe.boundary
        pipe.forward(b"\0")
    assert (pipe.boundary, pipe.messages) == (True, 1)
    ping = frame(PING, key=key)
    assert pipe.forward(ping) == ping


@both_ways
@pytest.mark.parametrize("place", range(8))
def test_every_byte_of_the_length_counts(key: bytes | None, place: int) -> None:
    length = 0x0101 << 8 * place & (1 << 63) - 1 | 1 << 17
    pipe = pipe_for(key, max_message=length)
    pipe.forward(header(BINARY, length, key=key))
    assert pipe.verdict == 0
    pipe = pipe_for(key, max_message=length - 1)
    pipe.forward(header(BINARY, length, key=key))
    assert pipe.verdict == 1009


@both_ways
@pytest.mark.parametrize(("low", "high", "fine"), [
    (0, 999, False),
    (1000, 1003, True),
    (1004, 1006, False),
    (1007, 1014, True),
    (1015, 2999, False),
    (3000, 4999, True),
    (5000, 65535, False),
])  # fmt: skip
def test_close_codes(key: bytes | None, low: int, high: int, *, fine: bool) -> None:
    for code in range(low, high + 1):
        pipe = pipe_for(key)
        pipe.forward(frame(CLOSE, close_payload(code), key=key))
        assert (pipe.verdict, pipe.close_code) == ((0, code) if fine else (1002, 0)), code


@both_ways
@pytest.mark.parametrize("due", range(3))
def test_every_two_bytes_are_utf8_as_python_says(key: bytes | None, due: int) -> None:
    """Every first byte with every second byte, completed with bytes that are always good."""
    for first, second in ((first, second) for first in range(256) for second in range(256)):
        text = bytes([first, second]) + b"\x80" * due
        assert verdict_on(text, key) == (0 if is_utf8(text) else 1007), text


@both_ways
@pytest.mark.parametrize("wrong", [b"\x80", b"\xbf", b"\xf5", b"\xff", b"\xc3", b"\xe2\x82"])
def test_a_wrong_byte_after_any_run_of_ascii(key: bytes | None, wrong: bytes) -> None:
    for before in range(20):
        assert verdict_on(b"a" * before + wrong, key) == 1007
        assert verdict_on(b"a" * before + wrong + b"a" * 9, key) == 1007


@both_ways
def test_every_code_point(key: bytes | None) -> None:
    points = [*range(0xD800), *range(0xE000, 0x110000)]
    assert verdict_on("".join(map(chr, points)).encode(), key) == 0


@both_ways
def test_the_surrogates_and_what_lies_above(key: bytes | None) -> None:
    for point in range(0xD800, 0xE000, 0x55):
        assert verdict_on(chr(point).encode("utf-8", "surrogatepass"), key) == 1007
    assert verdict_on(b"\xf4\x90\x80\x80", key) == 1007
