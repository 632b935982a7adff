from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from support.waiting import PATIENCE

from fastws.errors import FastwsError
from fastws.server.control import LONGEST, Control


async def _echo(request: dict[str, Any]) -> dict[str, Any]:
    return {"got": request}


async def _fail(_: dict[str, Any]) -> dict[str, Any]:
    raise FastwsError("no way")


def exchange(*lines: bytes) -> list[dict[str, Any] | None]:
    """What is answered to each line; None when the connection is closed instead."""

    async def play() -> list[dict[str, Any] | None]:
        near, far = socket.socketpair()
        control = Control({"echo": _echo, "fail": _fail})
        reader, writer = await asyncio.open_connection(sock=near)
        serving = asyncio.ensure_future(
            control.serve(*await asyncio.open_connection(sock=far, limit=LONGEST))
        )
        answers: list[dict[str, Any] | None] = []
        for line in lines:
            writer.write(line)
            answer = await reader.readline()
            answers.append(json.loads(answer) if answer else None)
        writer.close()
        await asyncio.wait_for(serving, PATIENCE)
        return answers

    return asyncio.run(play())


def test_commands_are_answered_one_after_another() -> None:
    assert exchange(b'{"command": "echo", "a": 1}\n', b'{"command": "echo"}\n') == [
        {"ok": True, "got": {"a": 1}},
        {"ok": True, "got": {}},
    ]


def test_what_fails_says_why() -> None:
    assert exchange(b'{"command": "fail"}\n') == [{"ok": False, "error": "no way"}]


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b"[]\n",
        b"\xff\n",
        b"[" * 20_000 + b"\n",
        b'{"command": "echo", "a": "\\ud800"}\n',  # half a character
    ],
)
def test_what_is_no_object_is_refused(line: bytes) -> None:
    assert exchange(line) == [{"ok": False, "error": "expected a JSON object in a line"}]


@pytest.mark.parametrize("line", [b"{}\n", b'{"command": ["echo"]}\n'])
def test_an_unknown_command_is_refused(line: bytes) -> None:
    (answer,) = exchange(line)
    assert answer
    assert "known: echo, fail" in answer["error"]


def test_a_line_without_an_end_is_not_kept() -> None:
    assert exchange(b"x" * (LONGEST + 10)) == [None]
