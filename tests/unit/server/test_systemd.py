"""systemd's protocols, played by a scripted service manager."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.control import Controlled, config
from support.proxy import FASTWS, Proxy
from support.raw import Upstream, connect, handshake
from support.waiting import PATIENCE

from fastws.server.systemd import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as listening:
        yield listening


class Manager:
    """Hears what a service says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(path))
        self.sock.settimeout(PATIENCE)

    def hear(self) -> dict[str, str]:
        lines = self.sock.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.sock.close()


def test_it_tells_when_it_is_ready_reloads_and_stops(
    tmp_path: Path, manager: Manager, upstream: Upstream
) -> None:
    env = {"NOTIFY_SOCKET": str(manager.path)}
    with Controlled(tmp_path, config(upstream.address), env=env, workers=2) as proxy:
        assert manager.hear() == {"READY": "1"}
        proxy.signal(signal.SIGHUP)
        reloading = manager.hear()
        assert reloading.pop("MONOTONIC_USEC").isdecimal()
        assert reloading == {"RELOADING": "1"}
        assert manager.hear() == {"READY": "1"}
        proxy.signal(signal.SIGTERM)
        assert manager.hear() == {"STOPPING": "1"}


def test_it_gives_signs_of_life_when_they_are_asked_for(
    manager: Manager, upstream: Upstream
) -> None:
    env = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "200000"}
    with Proxy(upstream, env=env):
        assert manager.hear() == {"READY": "1"}
        for _ in range(3):
            assert manager.hear() == {"WATCHDOG": "1"}


def test_a_watchdog_for_another_process_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    assert Notifier().watchdog == 1.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert Notifier().watchdog == 0.0


def test_nobody_who_listens_is_no_matter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().ready()
    monkeypatch.delenv("NOTIFY_SOCKET")
    Notifier().ready()


ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_at_a_socket_that_was_opened_for_it(upstream: Upstream, workers: int) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-c", ACTIVATE, str(listening.fileno()), str(FASTWS), "serve"]
        command += ["--listen", address, "--upstream", upstream.address, "--workers", str(workers)]
        with subprocess.Popen(
            command, pass_fds=[listening.fileno()], stdout=subprocess.PIPE, text=True
        ) as process:
            with connect(address) as client:  # before it listens
                handshake(client, upstream).close()
            process.terminate()
            assert process.wait(15) == 0
