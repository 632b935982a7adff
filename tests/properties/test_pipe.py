"""A pipe against the plain reference: any stream, split in any way."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, frame
from support.reference import Outcome, Source, judge

from fastws._pipe import Pipe, Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXTS = ("", "a", "grün", "€uro", "🦉" * 3, "plain " * 30, "ab🦉" * 40)
WRONG_TEXTS = (b"\xff", b"ok \xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"cut \xe2\x82")
CODES = (0, 999, 1000, 1001, 1003, 1004, 1005, 1006, 1011, 1014, 1015, 2999, 3000, 4999, 5000)
SIZES = (0, 1, 2, 5, 124, 125, 126, 127, 300, 5000)


class Piece(NamedTuple):
    """A frame to build: in order, or with a flaw."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    length_bytes: int | None = None
    other_way: bool = False  # masked as the other direction has to be

    def encode(self, key: bytes | None) -> bytes:
        if self.other_way:
            key = None if key else b"\1\2\3\4"
        more = {"fin": self.fin, "rsv": self.rsv, "length_bytes": self.length_bytes}
        return frame(self.opcode, self.payload, key=key, **more)


payloads = st.sampled_from(SIZES).map(lambda size: bytes(i * 7 & 0xFF for i in range(size)))
texts = st.sampled_from(TEXTS).map(str.encode)
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)).map(
    lambda parts: Piece(*parts)
)
close_payloads = st.just(b"") | st.builds(
    close_payload, st.sampled_from(CODES), st.sampled_from(["", "bye", "über"])
)
closes = close_payloads.map(lambda payload: Piece(CLOSE, payload))
flaws = st.sampled_from(
    [
        Piece(CONTINUATION, b"stray or not the last", fin=False),
        Piece(CONTINUATION, b""),
        Piece(TEXT, b"nested or never ended", fin=False),
        Piece(BINARY, b"nested or not"),
        *(Piece(opcode, b"reserved") for opcode in (3, 7, 0xB, 0xF)),
        *(Piece(BINARY, b"rsv", rsv=rsv) for rsv in (1, 2, 4)),
        *(Piece(TEXT, b"\xffrsv", rsv=rsv) for rsv in (1, 4)),
        Piece(CONTINUATION, b"rsv", rsv=4),
        Piece(PING, b"rsv", rsv=4),
        Piece(PING, b"fragment", fin=False),
        Piece(CLOSE, close_payload(1000), fin=False),
        Piece(PONG, bytes(126)),
        Piece(CLOSE, close_payload(1000, bytes(70000))),
        Piece(PING, b"", other_way=True),
        Piece(TEXT, b"other way", other_way=True),
        Piece(BINARY, bytes(125), length_bytes=2),
        Piece(BINARY, bytes(300), length_bytes=8),
        Piece(PING, b"short", length_bytes=2),
        Piece(CLOSE, b"\x03"),
        Piece(CLOSE, close_payload(1000, b"\xff")),
        Piece(CLOSE, close_payload(3000, b"\xe2\x82")),
        *(Piece(TEXT, text) for text in WRONG_TEXTS),
        *(Piece(TEXT, text, fin=False) for text in WRONG_TEXTS),
    ]
)
# Headers that declare what never comes.
huge = st.sampled_from(
    [b"\x82\x7f" + size.to_bytes(8) for size in (1 << 16, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)]
)
keys = st.sampled_from([b"\x12\x34\x56\x78", b"\0\0\0\0", b"\xff\x80\0\x7f"])
sources = st.builds(
    Source,
    masked=st.booleans(),
    rsv_first=st.sampled_from([0, 0x40, 0x70]),
    rsv_rest=st.sampled_from([0, 0x10]),
    max_message=st.sampled_from([0, 0, 5, 200, 5000]),
    validate_utf8=st.booleans(),
)


@st.composite
def messages(draw: st.DrawFn) -> list[Piece]:
    """A message in fragments, cut anywhere, with control frames between."""
    opcode, payload = draw(
        st.tuples(st.just(TEXT), texts) | st.tuples(st.sampled_from([TEXT, BINARY]), payloads)
    )
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    made: list[Piece] = []
    for start, end in zip([0, *cuts], [*cuts, None], strict=True):
        made += draw(st.lists(controls, max_size=1))
        kind = opcode if start == 0 and not any(p.opcode < 8 for p in made) else CONTINUATION
        made.append(Piece(kind, payload[start:end], fin=end is None))
    return made


@st.composite
def streams(draw: st.DrawFn, *, masked: bool) -> bytes:
    """Messages, then perhaps a flaw anywhere, a close frame, or an end in the middle."""
    pieces = [piece for made in draw(st.lists(messages(), max_size=4)) for piece in made]
    for flaw in draw(st.lists(flaws, max_size=1)):
        pieces.insert(draw(st.integers(0, len(pieces))), flaw)
    for close in draw(st.lists(closes, max_size=1)):
        pieces.insert(draw(st.integers(0, len(pieces))), close)
    data = b"".join(piece.encode(draw(keys) if masked else None) for piece in pieces)
    tail = draw(st.just(b"") | st.binary(max_size=20) | (huge if not masked else st.just(b"")))
    data += tail
    return data[: draw(st.just(len(data)) | st.integers(0, len(data)))]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def every_byte(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def relayed(source: Source, parts: Iterable[bytes]) -> tuple[Pipe, bytes]:
    rules = Rules(max_message=source.max_message, validate_utf8=source.validate_utf8)
    pipe = Pipe(rules, masked=source.masked, rsv_first=source.rsv_first, rsv_rest=source.rsv_rest)
    return pipe, b"".join(pipe.forward(part) for part in parts)


def check(source: Source, data: bytes, parts: list[bytes], expected: Outcome) -> None:
    """What must hold of every split."""
    pipe, forwarded = relayed(source, parts)
    assert (pipe.verdict, pipe.close_code) == (expected.verdict, expected.close_code)
    assert pipe.close_reason == expected.close_reason
    assert pipe.messages == expected.messages
    assert pipe.forwarded == len(forwarded)
    assert data.startswith(forwarded)
    assert expected.sure <= len(forwarded) <= expected.most
    assert (pipe.why is None) == (pipe.verdict == 0)
    assert pipe.boundary == (expected.boundary and len(forwarded) == expected.sure)


def check_splits(source: Source, data: bytes, places: list[int]) -> None:
    expected = judge(data, source)
    assert expected.sure == expected.most or expected.verdict == 1007
    check(source, data, [data], expected)
    check(source, data, every_byte(data), expected)
    check(source, data, cut(data, places), expected)


splits = st.lists(st.integers(0, 1 << 16), min_size=1, max_size=8)


@given(st.data(), sources, splits)
def test_frames_however_split(data: st.DataObject, source: Source, places: list[int]) -> None:
    check_splits(source, data.draw(streams(masked=source.masked)), places)


@given(st.binary(max_size=400), sources, splits)
def test_random_bytes(data: bytes, source: Source, places: list[int]) -> None:
    check_splits(source, data, places)


@given(
    st.lists(st.sampled_from([0x01, 0x81, 0x80, 0, 0x88, 0x89, 2, 0x82, 126, 127]), max_size=60),
    st.booleans(),
    splits,
)
def test_bytes_that_look_like_headers(data: list[int], utf8: bool, places: list[int]) -> None:  # noqa: FBT001
    for masked in (True, False):
        check_splits(Source(masked=masked, validate_utf8=utf8), bytes(data), places)


def wrong_stream(source: Source, text: bytes) -> bytes:
    key = b"\x12\x34\x56\x78" if source.masked else None
    good, bad = Piece(TEXT, "🦉".encode()), Piece(TEXT, b"ab" + text)
    return good.encode(key) + bad.encode(key)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("text", WRONG_TEXTS)
def test_a_wrong_text_cut_anywhere(text: bytes, masked: bool) -> None:  # noqa: FBT001
    source = Source(masked=masked, validate_utf8=True)
    stream = wrong_stream(source, text)
    expected = judge(stream, source)
    assert expected.verdict == 1007
    for place in range(len(stream)):
        for width in range(4):
            check(source, stream, cut(stream, [place, place + width]), expected)


@pytest.mark.parametrize("masked", [True, False])
@given(stream=st.data())
def test_nothing_after_the_verdict(masked: bool, stream: st.DataObject) -> None:  # noqa: FBT001
    source = Source(masked=masked, validate_utf8=True)
    data = stream.draw(streams(masked=masked))
    expected = judge(data, source)
    pipe, _ = relayed(source, [data])
    if expected.verdict or expected.close_code:
        key = b"abcd" if masked else None
        assert pipe.forward(frame(TEXT, b"more", key=key)) == b""
        assert pipe.forward(frame(CLOSE, close_payload(1000), key=key)) == b""
        assert (pipe.verdict, pipe.close_code) == (expected.verdict, expected.close_code)


def moved(source: Source, pipe: Pipe) -> Pipe:
    """A pipe with the same rules that goes on where this one stands."""
    rules = Rules(max_message=source.max_message, validate_utf8=source.validate_utf8)
    other = Pipe(rules, masked=source.masked, rsv_first=source.rsv_first, rsv_rest=source.rsv_rest)
    other.restore(pipe.state(0), 0)
    return other


def seen(pipe: Pipe) -> tuple[object, ...]:
    """What a pipe tells of itself."""
    names = ("forwarded", "messages", "close_code", "close_reason", "verdict", "why", "boundary")
    return tuple(getattr(pipe, name) for name in names)


def check_move(source: Source, data: bytes, place: int) -> None:
    """A pipe that is written and read back at that place behaves like one that is not."""
    stays, _ = relayed(source, [data[:place]])
    if stays.verdict or stays.close_code:
        return
    goes = moved(source, stays)
    assert goes.state(0) == stays.state(0)
    assert seen(goes) == seen(stays)
    assert goes.forward(data[place:]) == stays.forward(data[place:])
    assert seen(goes) == seen(stays)
    assert goes.forward(data) == stays.forward(data)
    assert seen(goes) == seen(stays)


@given(st.data(), sources, splits)
def test_a_pipe_moves_anywhere_in_its_stream(
    data: st.DataObject, source: Source, places: list[int]
) -> None:
    stream = data.draw(streams(masked=source.masked))
    for place in places:
        check_move(source, stream, place % (len(stream) + 1))


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("text", WRONG_TEXTS)
def test_a_pipe_moves_anywhere_in_a_wrong_text(text: bytes, masked: bool) -> None:  # noqa: FBT001
    source = Source(masked=masked, validate_utf8=True)
    stream = wrong_stream(source, text)
    for place in range(len(stream) + 1):
        check_move(source, stream, place)


@given(state=st.data(), masked=st.booleans())
def test_a_pipe_that_reads_any_state_refuses_it_or_is_sound(
    state: st.DataObject, *, masked: bool
) -> None:
    """What cannot be is refused; whatever else stood in the bytes, memory is safe."""
    pipe = Pipe(Rules(validate_utf8=True), masked=masked)
    size = len(pipe.state(0))
    with suppress(ValueError):
        pipe.restore(state.draw(st.binary(min_size=size, max_size=size)), 0)
    for part in state.draw(st.lists(st.binary(max_size=200), max_size=4)):
        assert len(pipe.forward(part)) <= 131 + len(part)
