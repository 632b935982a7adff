from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from support.waiting import PATIENCE

from fastws.server import watchers
from fastws.server.watchers import LONGEST, Watchers


async def _text() -> bytes:
    return b"fastws_tunnels 1\n"


COMMANDS: Any = SimpleNamespace(text=_text, ready=True)


async def ask(watching: Watchers, data: bytes) -> bytes:
    """All that is answered to a request."""
    near, far = socket.socketpair()
    serving = asyncio.ensure_future(
        watching.serve(*await asyncio.open_connection(sock=far, limit=LONGEST))
    )
    reader, writer = await asyncio.open_connection(sock=near)
    answer = b""
    with suppress(ConnectionError):  # from who does not listen
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    await asyncio.wait_for(serving, PATIENCE)
    return answer


@pytest.mark.parametrize(
    ("line", "status", "body"),
    [
        (b"GET /metrics HTTP/1.1", b"200 OK", b"fastws_tunnels 1\n"),
        (b"GET /healthz HTTP/1.1", b"200 OK", b"ok\n"),
        (b"GET /readyz HTTP/1.0", b"200 OK", b"ready\n"),
        (b"GET / HTTP/1.1", b"404 Not Found", b"/metrics, /healthz or /readyz\n"),
        (b"POST /metrics HTTP/1.1", b"405 Method Not Allowed", b"only GET\n"),
        (b"nonsense", b"405 Method Not Allowed", b"only GET\n"),
    ],
)
def test_a_request_is_answered_and_the_connection_ends(
    line: bytes, status: bytes, body: bytes
) -> None:
    answer = asyncio.run(ask(Watchers(COMMANDS), line + b"\r\nHost: a\r\n\r\n"))
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"Content-Length: %d" % len(body) in head
    assert rest == body


def test_who_is_not_ready_says_so() -> None:
    commands: Any = SimpleNamespace(ready=False)
    answer = asyncio.run(ask(Watchers(commands), b"GET /readyz HTTP/1.1\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 503 ")


def test_a_head_without_an_end_is_not_kept() -> None:
    assert asyncio.run(ask(Watchers(COMMANDS), b"x" * (2 * LONGEST))) == b""


def test_one_who_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "_PATIENCE", 0.05)
    assert asyncio.run(ask(Watchers(COMMANDS), b"GET / HTTP/1.1\r\n")) == b""


def test_who_is_one_too_many_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "_MOST", 1)

    async def scenario() -> None:
        watching = Watchers(COMMANDS)
        near, far = socket.socketpair()
        first = asyncio.ensure_future(watching.serve(*await asyncio.open_connection(sock=far)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await ask(watching, b"GET /healthz HTTP/1.1\r\n\r\n") == b""
        near.close()
        await asyncio.wait_for(first, PATIENCE)
        assert (await ask(watching, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")

    asyncio.run(scenario())
