"""The control socket: each command is a JSON object in a line, and so is its answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar, cast

import msgspec

from fastws.errors import FastwsError

# Bytes of a line.
LONGEST = 64 * 1024
# Who is connected at a time.
_MOST = 64

# Seconds of silence, or without an answer being taken, after which one is let go: others may wait.
_SILENCE = 60.0

_Done = TypeVar("_Done")

Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Control:
    """Carries out ``commands``, by their names.

    ``{"command": "reload"}`` is answered by ``{"ok": true, ...}`` when it is done, or by
    ``{"ok": false, "error": "..."}``. ``waiting`` are those who have had no answer yet, or asked
    again; once it is ``ending``, nobody who has had one may ask again.
    """

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands
        self._clients = 0
        self.waiting: set[asyncio.Task[Any]] = set()
        self.ending = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client, line by line, until it goes."""
        client = cast("asyncio.Task[Any]", asyncio.current_task())
        self._clients += 1
        self.waiting.add(client)
        try:
            # A line may be too long, and the end may come while we wait for one.
            with suppress(ConnectionError, ValueError, TimeoutError, asyncio.CancelledError):
                while self._clients <= _MOST and (line := await _soon(reader.readline())):
                    self.waiting.add(client)
                    writer.write(await self._answer(line))
                    await _soon(writer.drain())
                    if self.ending:
                        break
                    self.waiting.discard(client)
        finally:
            self._clients -= 1
            self.waiting.discard(client)
            writer.close()

    async def _answer(self, line: bytes) -> bytes:
        try:
            answer = {"ok": True, **await self._carry_out(line)}
        except FastwsError as error:
            answer = {"ok": False, "error": str(error)}
        except OSError as error:  # the system has none left of something
            answer = {"ok": False, "error": error.strerror or str(error)}
        return json.dumps(answer).encode() + b"\n"

    async def _carry_out(self, line: bytes) -> dict[str, Any]:
        try:
            request = msgspec.json.decode(line)
        except (ValueError, RecursionError):  # the second: nested too deeply
            request = None
        if not isinstance(request, dict):
            raise FastwsError("expected a JSON object in a line")
        command = self._commands.get(str(request.pop("command", "")))
        if command is None:
            raise FastwsError(f"there is no such command; known: {', '.join(self._commands)}")
        return await command(request)


async def _soon(doing: Awaitable[_Done]) -> _Done:
    return await asyncio.wait_for(doing, _SILENCE)
