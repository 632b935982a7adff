"""One direction of the relay in plain Python, from RFC 6455 and our rules of safety.

Slow and clear, and it sees all bytes at once: what a pipe that gets them in pieces does has to
add up to this.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NoReturn

from support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, masked

MESSAGES = {TEXT, BINARY}
CONTROLS = {CLOSE, PING, PONG}


@dataclass(frozen=True)
class Source:
    """Who sends, and what it may send."""

    masked: bool
    rsv_first: int = 0  # RSV bits as they stand in the first byte
    rsv_rest: int = 0
    max_message: int = 0
    validate_utf8: bool = False


@dataclass
class Outcome:
    """What becomes of a stream.

    Its first `sure` bytes are forwarded, however it is split. Only of a text that turns out to
    be no UTF-8 more may have gone on, because payload streams: up to `most`, the wrong byte.
    """

    sure: int = 0
    most: int = 0
    boundary: bool = True  # `sure` ends with a whole frame
    messages: int = 0
    close_code: int = 0
    close_reason: bytes = b""
    verdict: int = 0


# Every sequence of RFC 3629 that has begun rightly can be completed by one of these.
ENDINGS = [byte * due for byte in (b"\x80", b"\xbf") for due in (1, 2, 3)]


def is_utf8(data: bytes) -> bool:
    """Decode, as Python does: strictly."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class Text:
    """A text in pieces. (Python's own incremental decoder waits for the third byte of a
    surrogate, which no text has.)
    """

    def __init__(self) -> None:
        self.begun = b""

    def goes_on(self, byte: bytes) -> bool:
        self.begun += byte
        if is_utf8(self.begun):
            self.begun = b""
        return not self.begun or any(is_utf8(self.begun + ending) for ending in ENDINGS)


class BrokenRuleError(Exception):
    """The source has earned a close code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Start:
    """The header of a frame."""

    fin: bool
    rsv: int
    opcode: int
    length: int
    key: bytes  # empty: not masked
    payload: int  # where it begins in the stream


def judge(data: bytes, source: Source) -> Outcome:
    """Walk a whole stream."""
    walk = _Walk(data, source)
    try:
        while not walk.outcome.close_code and (start := walk.header()):
            if not walk.frame(start):
                break
    except BrokenRuleError as broken:
        walk.outcome.verdict = broken.code
    walk.outcome.most = max(walk.outcome.most, walk.outcome.sure)
    return walk.outcome


def _fail(code: int) -> NoReturn:
    raise BrokenRuleError(code)


def _require(condition: bool, code: int = 1002) -> None:  # noqa: FBT001
    if not condition:
        _fail(code)


class _Walk:
    def __init__(self, data: bytes, source: Source) -> None:
        self.data = data
        self.source = source
        self.at = 0
        self.outcome = Outcome()
        self.message_open = False
        self.message_size = 0
        self.text: Text | None = None

    # headers

    def header(self) -> Start | None:
        """Read and judge the header at `at`; None while it is not whole."""
        seen = self.data[self.at : self.at + 14]
        if len(seen) < 2:
            return None
        self.judge_start(seen[0], seen[1])
        short = seen[1] & 0x7F
        extended = {126: 2, 127: 8}.get(short, 0)
        key_size = 4 if seen[1] & 0x80 else 0
        size = 2 + extended + key_size
        if len(seen) < size:
            return None
        length = int.from_bytes(seen[2 : 2 + extended]) if extended else short
        self.judge_length(seen[0] & 0x0F, extended, length)
        key = seen[size - key_size : size]
        fin = bool(seen[0] & 0x80)
        return Start(fin, seen[0] & 0x70, seen[0] & 0x0F, length, key, self.at + size)

    def judge_start(self, first: int, second: int) -> None:
        fin, rsv, opcode = first & 0x80, first & 0x70, first & 0x0F
        _require(bool(second & 0x80) == self.source.masked)  # 5.1
        if opcode in CONTROLS:
            _require(not rsv)
            _require(fin != 0)  # 5.5
            _require(second & 0x7F <= 125)  # 5.5
            return
        _require(opcode in MESSAGES or opcode == CONTINUATION)  # 5.2
        continues = opcode == CONTINUATION
        _require(continues == self.message_open)  # 5.4
        allowed = self.source.rsv_rest if continues else self.source.rsv_first
        _require(rsv & ~allowed == 0)  # 5.2

    def judge_length(self, opcode: int, extended: int, length: int) -> None:
        if extended == 2:
            _require(length >= 126)  # 5.2: "the minimal number of bytes MUST be used"
        if extended == 8:
            _require(65536 <= length < 1 << 63)  # 5.2: "the most significant bit MUST be 0"
        if self.source.max_message and opcode not in CONTROLS:
            before = self.message_size if opcode == CONTINUATION else 0
            _require(before + length <= self.source.max_message, 1009)

    # frames

    def frame(self, start: Start) -> bool:
        """Pass what is there of a frame; False if it is not whole."""
        payload = self.data[start.payload : start.payload + start.length]
        if start.opcode in CONTROLS:
            return self.control(start, payload)
        return self.part(start, payload)

    def control(self, start: Start, payload: bytes) -> bool:
        if len(payload) < start.length:
            return False
        if start.opcode == CLOSE:
            self.close(masked(payload, start.key) if start.key else payload)
        self.passed(start, payload)
        return True

    def close(self, payload: bytes) -> None:
        """Section 5.5.1, and 7.4 with the registry of close codes."""
        code = 1005
        _require(len(payload) != 1)
        if payload:
            (code,) = struct.unpack("!H", payload[:2])
            assigned = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
            _require(code in assigned or 3000 <= code <= 4999)
            _require(is_utf8(payload[2:]), 1007)
        self.outcome.close_code = code
        self.outcome.close_reason = payload[2:]

    def part(self, start: Start, payload: bytes) -> bool:
        """Pass (a piece of) a message's frame."""
        if start.opcode != CONTINUATION:
            text = start.opcode == TEXT and not start.rsv and self.source.validate_utf8
            self.text = Text() if text else None
            self.message_size = 0
        whole = len(payload) == start.length
        if self.text:
            self.check(start, payload, final=whole and start.fin)
        self.message_open = not start.fin
        self.message_size += start.length
        self.passed(start, payload)
        self.outcome.boundary = whole
        if whole and start.fin:
            self.outcome.messages += 1
        return whole

    def check(self, start: Start, payload: bytes, *, final: bool) -> None:
        """Read text byte by byte, to find the first that is wrong, or the end that is missing."""
        assert self.text
        plain = masked(payload, start.key) if start.key else payload
        for i in range(len(plain)):
            self.outcome.most = start.payload + i
            _require(self.text.goes_on(plain[i : i + 1]), 1007)
        _require(not (final and self.text.begun), 1007)

    def passed(self, start: Start, payload: bytes) -> None:
        self.at = self.outcome.sure = start.payload + len(payload)
