"""One pipe: what it passes on, and where it stands in its stream. The rest shows in a tunnel, see
test_relay.py, and in any stream, see properties/test_pipe.py.
"""

from __future__ import annotations

import pytest
from support.frames import BINARY, CONTINUATION, header

from fastws._pipe import Pipe, Rules

both_ways = pytest.mark.parametrize("key", [None, b"key!"], ids=["unmasked", "masked"])


@both_ways
@pytest.mark.parametrize("length", [1 << 16, 1 << 31, 1 << 32, (1 << 63) - 1])
def test_a_huge_frame_streams(key: bytes | None, length: int) -> None:
    pipe = Pipe(Rules(), masked=key is not None)
    start = header(BINARY, length, key=key)
    assert pipe.forward(start + b"some") == start + b"some"
    assert pipe.forward(bytes(1000)) == bytes(1000)
    assert (pipe.boundary, pipe.messages, pipe.verdict) == (False, 0, 0)


@both_ways
@pytest.mark.parametrize(
    ("sizes", "fine"),
    [
        ([100], True),
        ([101], False),
        ([50, 50], True),
        ([50, 51], False),
        ([100, 0, 0], True),
        ([100, 1], False),
        ([0, 101], False),
        ([1, (1 << 63) - 1], False),
        ([99, (1 << 63) - 1], False),
        ([(1 << 63) - 1], False),
    ],
)
def test_max_message(key: bytes | None, sizes: list[int], *, fine: bool) -> None:
    pipe = Pipe(Rules(max_message=100), masked=key is not None)
    for i, size in enumerate(sizes):
        opcode, fin = CONTINUATION if i else BINARY, i == len(sizes) - 1
        start = header(opcode, size, key=key, fin=fin)
        forwarded = pipe.forward(start + bytes(min(size, 100)))
        assert (start in forwarded) == (fine or not fin)
    assert pipe.verdict == (0 if fine else 1009)
    assert pipe.why == (None if fine else "message of more than 100 bytes")


def test_the_greatest_limit() -> None:
    pipe = Pipe(Rules(max_message=(1 << 64) - 1), masked=False)
    for opcode in (BINARY, CONTINUATION):
        assert pipe.forward(header(opcode, 1, fin=False) + b"a")
    assert pipe.forward(header(CONTINUATION, (1 << 63) - 1))
    assert pipe.verdict == 0


@pytest.mark.parametrize("held", [b"\x82\x05hello", b"\x83", b"\x81\x00"])
def test_a_pipe_cannot_hold_what_nothing_more_is_to_come_of(held: bytes) -> None:
    pipe = Pipe(Rules(), masked=False)
    state = pipe.state(0)
    pipe.forward(b"\x82")
    at = pipe.state(0).index(b"\x01\x82")
    assert state[at : at + 2] == b"\0\0"
    forged = state[:at] + bytes([len(held)]) + held + state[at + 1 + len(held) :]
    with pytest.raises(ValueError, match="broken"):
        pipe.restore(forged, 0)
