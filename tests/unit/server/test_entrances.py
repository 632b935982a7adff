from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.loops import run

from fastws.config.model import Address, Admin, Config
from fastws.errors import FastwsError
from fastws.server.entrances import Entrances

HERE = Address(host="127.0.0.1")


class Commands:
    """Answers with a name."""

    ready = True

    def __init__(self, name: str) -> None:
        self._name = name

    def by_name(self) -> dict[str, Any]:
        return {"name": self._answer}

    async def _answer(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"name": self._name}

    async def text(self) -> bytes:
        return self._name.encode()


def entrances(name: str, config: Config, warnings: list[str] | None = None) -> Entrances:
    def warn(event: str, message: str) -> None:
        assert event == "no_control_socket"
        assert warnings is not None, message
        warnings.append(message)

    log: Any = SimpleNamespace(warning=warn)
    commands: Any = Commands(name)
    return Entrances(config, commands, log)


async def named(path: Path) -> str:
    """Who answers at a control socket."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"command": "name"}\n')
    answer = json.loads(await reader.readline())
    writer.close()
    return str(answer["name"])


async def watched(port: int) -> str:
    """Who answers those who watch."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2].decode()


def port_of(made: Entrances) -> int:
    ports = [sock.getsockname()[1] for sock in made.held()[1] if sock.getsockname()[1:]]
    return int(ports[-1])


def test_both_are_answered_where_the_configuration_says(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "control"
        made = entrances("one", Config(control=str(path), admin=Admin(listen=HERE)))
        made.bind()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        port = port_of(made)
        await made.open()
        assert await named(path) == await watched(port) == "one"
        made.close()
        assert not path.exists()
        await asyncio.sleep(0)  # for what was accepted just now
        with pytest.raises(ConnectionRefusedError):
            await watched(port)

    run(scenario())


def test_one_that_was_asked_for_has_to_do(tmp_path: Path) -> None:
    made = entrances("one", Config(control=f"{tmp_path}/no/control"))
    with pytest.raises(FastwsError, match=f"^no control socket at {tmp_path}/no/control: No such"):
        made.bind()
    made = entrances(
        "one",
        Config(
            control=f"{tmp_path}/control", admin=Admin(listen=Address(host="192.0.2.1", port=1))
        ),
    )
    with pytest.raises(FastwsError, match=r"^cannot listen on ws://192\.0\.2\.1:1"):
        made.bind()
    made.close()
    assert not (tmp_path / "control").exists()


def test_one_that_nobody_asked_for_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    made = entrances("one", Config())
    made.bind()
    assert [path.name for path in tmp_path.iterdir()] == [f"{os.getpid()}.sock"]
    made.close()
    (tmp_path / "file").touch()
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}/file")
    warnings: list[str] = []
    made = entrances("one", Config(), warnings)
    made.bind()
    made.close()
    assert len(warnings) == 1


async def handed_over(before: Config, after: Config) -> tuple[Entrances, Entrances]:
    """Those of two processes, of which the second has what the first had."""
    old, new = entrances("old", before), entrances("new", after)
    old.bind()
    await old.open()
    holding, sockets = old.held()
    new.inherit(holding, [sock.dup() for sock in sockets])
    new.bind()
    return old, new


def test_another_process_answers_when_it_is_open_and_the_old_one_until_then(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "control"
        config = Config(control=str(path), admin=Admin(listen=HERE))
        old, new = await handed_over(config, config)
        port = port_of(old)
        assert await named(path) == await watched(port) == "old"
        await new.open()
        old.release()
        assert await named(path) == await watched(port) == "new"
        old.close()
        assert path.exists()
        new.close()
        assert not path.exists()

    run(scenario())


def test_another_process_that_does_not_come_so_far_leaves_all_as_it_is(tmp_path: Path) -> None:
    async def scenario() -> None:
        path, other = tmp_path / "control", tmp_path / "other"
        admin = Admin(listen=HERE)
        for theirs in (path, other):
            old, new = await handed_over(
                Config(control=str(path), admin=admin), Config(control=str(theirs), admin=admin)
            )
            new.close()
            assert await named(path) == await watched(port_of(old)) == "old"
            assert not other.exists()
            old.close()

    run(scenario())


def test_another_process_that_ends_early_gives_back_what_it_was_lent(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "control"
        config = Config(control=str(path), admin=Admin(listen=HERE))
        old, new = await handed_over(config, config)
        old.lend()
        await new.open()
        assert await named(path) == await watched(port_of(old)) == "new"
        new.release()  # as a kill does
        await old.open()
        assert await named(path) == await watched(port_of(old)) == "old"
        old.close()
        assert not path.exists()

    run(scenario())


@pytest.mark.parametrize("turns", range(5))
def test_who_comes_when_it_is_lent_is_answered(tmp_path: Path, turns: int) -> None:
    async def scenario() -> None:
        path = tmp_path / "control"
        config = Config(control=str(path))
        old, new = await handed_over(config, config)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b'{"command": "name"}\n')
            client.setblocking(False)
            for _ in range(turns):  # of the loop, of which accepting takes some
                await asyncio.sleep(0)
            old.lend()
            await new.open()
            answer = json.loads(await loop.sock_recv(client, 100))
        assert answer["name"] in ("old", "new")
        new.close()
        old.close()

    run(scenario())


def test_what_is_lent_stays_where_it_is(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "control"
        old, new = await handed_over(Config(control=str(path)), Config(control=str(path)))
        old.lend()
        await new.open()
        old.close()
        assert await named(path) == "new"
        new.close()

    run(scenario())


def test_where_another_process_is_elsewhere_nothing_is_left_behind(tmp_path: Path) -> None:
    async def scenario() -> None:
        path, other = tmp_path / "control", tmp_path / "other"
        old, new = await handed_over(Config(control=str(path)), Config(control=str(other)))
        assert await named(path) == "old"
        await new.open()
        old.release()
        assert not path.exists()
        assert await named(other) == "new"
        new.close()

    run(scenario())


def test_the_usual_place_stays_over_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))

    async def scenario() -> None:
        old, new = await handed_over(Config(), Config())
        monkeypatch.setattr(os, "getpid", lambda: 7)
        path = Path(old.held()[1][0].getsockname())
        await new.open()
        old.release()
        assert await named(path) == "new"
        new.close()

    run(scenario())


def test_at_the_end_those_are_answered_who_came_before(tmp_path: Path) -> None:
    """Who was about to ask, and who stays connected, which keeps nobody."""

    async def scenario() -> None:
        path = tmp_path / "control"
        made = entrances("one", Config(control=str(path), admin=Admin(listen=HERE)))
        made.bind()
        port = port_of(made)
        await made.open()
        stays, stays_writer = await asyncio.open_unix_connection(path)
        for _ in range(2):
            stays_writer.write(b'{"command": "name"}\n')
            assert b"one" in await stays.readline()
        asks, asks_writer = await asyncio.open_unix_connection(path)
        watches, watches_writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(100):
            if made._control.waiting and made._watchers.waiting:
                break
            await asyncio.sleep(0)
        made.close()
        over = asyncio.ensure_future(made.finish())
        await asyncio.sleep(0)
        asks_writer.write(b'{"command": "name"}\n')
        assert b"one" in await asks.readline()
        assert await asks.read() == b""
        watches_writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert b"200 OK" in await watches.read()
        await over
        for writer in (stays_writer, asks_writer, watches_writer):
            writer.close()

    run(scenario())
