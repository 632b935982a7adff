from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from fastws.admin import client
from fastws.admin.client import ask
from fastws.errors import FastwsError

if TYPE_CHECKING:
    from pathlib import Path


def answered(path: Path, answer: bytes, command: str = "status", **more: Any) -> Any:
    """What comes of a command that a scripted proxy answers so, and what that proxy heard."""
    heard: list[Any] = []

    def serve() -> None:
        with listening.accept()[0] as client, client.makefile("rb") as lines:
            heard.append(json.loads(lines.readline()))
            client.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return ask(str(path), command, **more), heard
        finally:
            thread.join(10)


def test_an_answer_comes_back(tmp_path: Path) -> None:
    answer, heard = answered(tmp_path / "s", b'{"ok": true, "a": 1}\n', "drain", rate=2)
    assert answer == {"a": 1}
    assert heard == [{"command": "drain", "rate": 2}]


def test_what_went_wrong_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FastwsError, match="no way"):
        answered(tmp_path / "s", b'{"ok": false, "error": "no way"}\n')


def test_a_proxy_that_ends_meanwhile_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FastwsError, match="ended before it had done that"):
        answered(tmp_path / "s", b"")


def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FastwsError, match=r"no fastws answers at .*gone: No such file"):
        ask(str(tmp_path / "gone"), "status")


def test_a_proxy_that_hangs_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        with pytest.raises(FastwsError, match=f"^the proxy at {tmp_path}/s does not answer$"):
            ask(str(tmp_path / "s"), "drain")


def test_one_that_takes_its_time_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what it is doing meanwhile."""
    hangs = client._hangs

    def asked_without_haste(path: Path) -> bool:
        monkeypatch.setattr(client, "_PATIENCE", 60)
        return hangs(path)

    monkeypatch.setattr(client, "_PATIENCE", 0.05)
    monkeypatch.setattr(client, "_hangs", asked_without_haste)

    def serve() -> None:
        first, _ = listening.accept()
        second, _ = listening.accept()
        with first, second, second.makefile("rb") as lines:
            asked.append(json.loads(lines.readline())["command"])
            second.sendall(b"{}\n")
            first.sendall(b'{"ok": true, "tunnels": 3}\n')

    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            assert ask(str(tmp_path / "s"), "drain") == {"tunnels": 3}
        finally:
            thread.join(10)
    assert asked == ["status"]
