"""Payloads that both sides can check, in messages and in bodies, over streams of asyncio."""

from __future__ import annotations

import hashlib
import itertools
import random
import socket
import struct
from typing import TYPE_CHECKING

from support import frames
from support.frames import CLOSE, PING, PONG

if TYPE_CHECKING:
    import asyncio

MIB = 1 << 20
NOISE = random.Random(0).randbytes(2 * MIB)
# A connection's seed, a message's number, and the payload's hash go first in a message.
LABEL = struct.Struct("!QQ16s")


def payload(seed: int, number: int, size: int) -> bytes:
    start = hash((seed, number)) % MIB
    body = NOISE[start : start + size]
    digest = hashlib.blake2b(body, digest_size=16, key=struct.pack("!QQ", seed, number))
    return LABEL.pack(seed, number, digest.digest()) + body


def check(data: bytes, seed: int | None, number: int) -> int:
    """The seed of a message that must be the `number`th of its connection, and whole."""
    found, at, digest = LABEL.unpack_from(data)
    assert at == number, f"message {at} came in the place of {number}"
    assert seed in (None, found), "a message of another connection"
    key = struct.pack("!QQ", found, number)
    body = memoryview(data)[LABEL.size :]
    assert hashlib.blake2b(body, digest_size=16, key=key).digest() == digest, "a payload changed"
    return found


def size(chance: random.Random) -> int:
    """Between nothing and 1 MiB, small ones as often as large ones."""
    return chance.choice((0, int(2 ** chance.uniform(0, 20)), int(2 ** chance.uniform(0, 13))))


class Ended(Exception):  # noqa: N818 - no error, but how most sessions end
    """The peer ended the connection, in the way named."""


class Peer:
    """One end of a connection; a peer with a key masks its frames."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: bytes | None = None
    ) -> None:
        self.reader, self.writer, self.key = reader, writer, key
        self.pongs = 0

    def reset(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.writer.transport.abort()

    # -- frames -----------------------------------------------------------------------------

    async def send(self, opcode: int, data: bytes = b"", *, fin: bool = True) -> None:
        await self.write(frames.frame(opcode, data, fin=fin, key=self.key))

    async def message(self) -> bytes:
        """The next message; pings are answered. Raises Ended."""
        parts = []
        while True:
            opcode, fin, data = await self._frame()
            if opcode == CLOSE:
                raise Ended("close")
            if opcode == PING:
                await self.send(PONG, data)
            elif opcode == PONG:
                self.pongs += 1
            else:
                parts.append(data)
                if fin:
                    return b"".join(parts)

    async def _frame(self) -> tuple[int, bool, bytes]:
        try:
            first, second = await self.reader.readexactly(2)
        except EOFError as error:
            raise Ended("inside a frame" if error.partial else "end") from None
        try:
            length = second & 0x7F
            if length > 125:
                size = 2 if length == 126 else 8
                length = int.from_bytes(await self.reader.readexactly(size), "big")
            key = await self.reader.readexactly(4) if second & 0x80 else b""
            data = await self.reader.readexactly(length)
        except EOFError:
            raise Ended("inside a frame") from None
        assert bool(key) == (self.key is None), "masked the wrong way round"
        return first & 15, bool(first & 0x80), frames.masked(data, key) if key else data

    # -- heads and bodies -------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        """Raises Ended."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except EOFError as error:
            raise Ended("inside a head" if error.partial else "end") from None

    async def body(self, head: bytes) -> bytes:
        """What belongs to the head, without its framing. Raises Ended."""
        lines = head.lower()
        try:
            if b"\r\ntransfer-encoding: chunked\r\n" in lines:
                return await self._chunks()
            if b"\r\ncontent-length: " not in lines:
                return b""
            length = lines.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
            return await self.reader.readexactly(int(length))
        except EOFError:
            raise Ended("inside a body") from None

    async def send_body(self, start: bytes, body: bytes, chance: random.Random) -> None:
        """Send a head of these lines and a body, whose framing and pieces are chance's."""
        if chance.random() < 0.5:
            await self.write(b"%bContent-Length: %d\r\n\r\n" % (start, len(body)))
            for piece in pieces(body, chance):
                await self.write(piece)
            return
        await self.write(start + b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in pieces(body, chance):
            await self.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await self.write(b"0\r\n\r\n")

    async def _chunks(self) -> bytes:
        parts = []
        while size := int((await self.reader.readline()).partition(b";")[0], 16):
            parts.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n", "a chunk is longer than it says"
        assert await self.reader.readline() == b"\r\n", "a trailer that nobody sent"
        return b"".join(parts)


def pieces(body: bytes, chance: random.Random) -> list[bytes]:
    """One, or some of different sizes, none of them empty."""
    cuts = sorted(chance.randrange(len(body) + 1) for _ in range(chance.choice((0, 1, 5))))
    edges = [0, *cuts, len(body)]
    return [body[a:b] for a, b in itertools.pairwise(edges) if a < b]
