"""RFC 6455 frames in plain Python: built to order, bad ones too, and parsed strictly."""

from __future__ import annotations

import struct
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY = b"\x12\x34\x56\x78"


@dataclass(frozen=True)
class Frame:
    """One frame as it was on the wire, its payload unmasked."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    masked: bool = False

    @property
    def close(self) -> tuple[int | None, str]:
        """The code and reason of a close frame; no code is None."""
        assert self.opcode == CLOSE, f"not a close frame: {self}"
        if not self.payload:
            return None, ""
        return struct.unpack("!H", self.payload[:2])[0], self.payload[2:].decode()


def masked(payload: bytes, key: bytes = KEY) -> bytes:
    """The payload XORed with the key (its own inverse)."""
    stream = (key * (len(payload) // 4 + 1))[: len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return mixed.to_bytes(len(payload), "big")


def header(
    opcode: int,
    length: int,
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = None,
    length_bytes: int | None = None,
) -> bytes:
    """A frame's first bytes; `length_bytes` 0, 2 or 8 forces a form of the length."""
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    mask_bit = 0 if key is None else 0x80
    first = fin << 7 | rsv << 4 | opcode
    if length_bytes == 0:
        sized = struct.pack("!BB", first, mask_bit | length)
    elif length_bytes == 2:
        sized = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        sized = struct.pack("!BBQ", first, mask_bit | 127, length)
    return sized + (key or b"")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = None,
    length_bytes: int | None = None,
) -> bytes:
    """A whole frame; with a key it is masked, as a client's must be."""
    head = header(opcode, len(payload), fin=fin, rsv=rsv, key=key, length_bytes=length_bytes)
    return head + (payload if key is None else masked(payload, key))


def close_payload(code: int, reason: str | bytes = b"") -> bytes:
    """What a close frame carries."""
    return struct.pack("!H", code) + (reason.encode() if isinstance(reason, str) else reason)


def parse(data: bytes) -> tuple[Frame, int] | None:
    """The first frame of `data` and its length on the wire; None while it is not whole."""
    if len(data) < 2:
        return None
    first, second = data[0], data[1]
    length, at = second & 0x7F, 2
    if length >= 126:
        size = 2 if length == 126 else 8
        if len(data) < at + size:
            return None
        length = int.from_bytes(data[at : at + size], "big")
        at += size
    is_masked = bool(second & 0x80)
    key = data[at : at + 4] if is_masked else b""
    at += len(key) if is_masked else 0
    if (is_masked and len(key) < 4) or len(data) < at + length:
        return None
    payload = bytes(data[at : at + length])
    if is_masked:
        payload = masked(payload, bytes(key))
    whole = Frame(first & 0x0F, payload, bool(first & 0x80), first >> 4 & 7, is_masked)
    return whole, at + length
