"""The mask, where it shows: texts that are unmasked to be validated, close frames either way."""

from __future__ import annotations

import pytest
from support.frames import CLOSE, TEXT, close_payload, frame
from support.tunnels import UP, got, opened

from fastws._pipe import Pipe, Rules
from fastws._relay import Ending

KEYS = [b"\x12\x34\x56\x78", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x80"]
# Longer than the piece that is unmasked at a time, and no multiple of a word.
LONG = "€uro 🦉 ".encode() * 700 + b"."
PLACES = [(length, place) for length in range(1, 34) for place in range(length)]
REASONS = [bytes(33 + i % 90 for i in range(size)) for size in range(124)]


def pieces(data: bytes, size: int, first: int) -> list[bytes]:
    return [data[:first], *(data[at : at + size] for at in range(first, len(data), size))]


def validated(parts: list[bytes]) -> Pipe:
    pipe = Pipe(Rules(validate_utf8=True), masked=True)
    for part in parts:
        pipe.forward(part)
    return pipe


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 13, 4095, 4096, 4097, 1 << 20])
def test_a_masked_text_in_pieces(key: bytes, size: int) -> None:
    sent = frame(TEXT, LONG, key=key)
    for first in range(6, 16):
        pipe = validated(pieces(sent, size, first))
        assert (pipe.verdict, pipe.messages) == (0, 1)


@pytest.mark.parametrize("key", KEYS)
def test_a_wrong_byte_anywhere(key: bytes) -> None:
    """No byte is skipped, and none is unmasked with another byte of the key."""
    for length, place in PLACES:
        text = b"a" * place + b"\xff" + b"a" * (length - place - 1)
        sent = frame(TEXT, text, key=key)
        for first in (6, 7, 8, 9, 10, len(sent)):
            assert validated([sent[:first], sent[first:]]).verdict == 1007


@pytest.mark.parametrize("place", [4094, 4095, 4096, 4097, 8191, 8192])
def test_a_wrong_byte_around_the_end_of_a_piece(place: int) -> None:
    text = b"a" * place + b"\xff" + b"a" * 100
    assert validated([frame(TEXT, text, key=KEYS[0])]).verdict == 1007


def test_each_frame_has_its_own_key() -> None:
    parts = [frame(TEXT, b"\xf0\x9f\xa6", key=KEYS[0], fin=False), frame(0, b"\x89", key=KEYS[2])]
    assert validated(parts).messages == 1


@pytest.mark.parametrize("key", KEYS)
def test_the_reason_of_a_masked_close(key: bytes) -> None:
    for reason in REASONS:
        pipe = Pipe(Rules(), masked=True)
        pipe.forward(frame(CLOSE, close_payload(4321, reason), key=key))
        assert (pipe.close_code, pipe.close_reason) == (4321, reason)


def test_our_close_to_the_upstream_is_masked() -> None:
    for reason in REASONS:
        tunnel = opened()
        tunnel.shut_down(1001, reason, Ending.SHUTDOWN)
        (found,) = got(tunnel, UP)
        assert found.close == (1001, reason.decode())
