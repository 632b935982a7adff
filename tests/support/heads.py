"""Heads of both sides, as bytes and parsed, for the tests of the handshake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastws.protocol.head import RequestHead, ResponseHead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@dataclass
class Limits:
    head_bytes: int = 64 * 1024
    headers: int = 200
    target_bytes: int = 8 * 1024


UPGRADE = (
    b"Host: example.com",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Key: " + KEY,
    b"Sec-WebSocket-Version: 13",
)
SWITCHING = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + ACCEPT)


def head(first: bytes, lines: Iterable[bytes]) -> bytes:
    return b"\r\n".join((first, *lines, b"", b""))


def upgrade(*more: bytes, without: bytes = b"\0", line: bytes = b"GET / HTTP/1.1") -> bytes:
    """A handshake, less the header ``without``, plus ``more``."""
    return head(line, (*(h for h in UPGRADE if not h.startswith(without)), *more))


def switching(*more: bytes, without: bytes = b"\0", line: bytes = b"HTTP/1.1 101 OK") -> bytes:
    """A 101, less the header ``without``, plus ``more``."""
    return head(line, (*(h for h in SWITCHING if not h.startswith(without)), *more))


def request(data: bytes, limits: Limits | None = None) -> RequestHead:
    parsed = RequestHead(limits or Limits())
    assert parsed.feed(data) is not None
    return parsed


def response(data: bytes, limits: Limits | None = None) -> ResponseHead:
    parsed = ResponseHead(limits or Limits())
    assert parsed.feed(data) is not None
    return parsed


def drip(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))
