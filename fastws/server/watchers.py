"""HTTP for those who watch: /metrics, /healthz and /readyz, and nothing else."""

import asyncio
from contextlib import suppress
from typing import Any, cast

from fastws.server.commands import Commands

# Seconds for a request, and bytes of its head.
_PATIENCE = 5.0
LONGEST = 8 * 1024
# Who is connected at a time.
_MOST = 64

_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Watchers:
    """Answers one request on each connection; ``waiting`` are those who have no answer yet."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.waiting: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer it."""
        client = cast("asyncio.Task[Any]", asyncio.current_task())
        self.waiting.add(client)
        try:
            if len(self.waiting) <= _MOST:
                await self._serve(reader, writer)
        finally:
            self.waiting.discard(client)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, ConnectionError, EOFError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                words = head.split(b"\r\n", 1)[0].split(b" ")
                writer.write(await self._answer(words))
                await writer.drain()

    async def _answer(self, words: list[bytes]) -> bytes:
        if len(words) != 3 or words[0] not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"only GET\n")
        match words[1]:
            case b"/metrics":
                return _response("200 OK", await self._commands.text(), _METRICS)
            case b"/healthz":
                return _response("200 OK", b"ok\n")
            case b"/readyz" if self._commands.ready:
                return _response("200 OK", b"ready\n")
            case b"/readyz":
                return _response("503 Service Unavailable", b"not ready\n")
        return _response("404 Not Found", b"/metrics, /healthz or /readyz\n")


def _response(status: str, body: bytes, kind: str = _TEXT) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
