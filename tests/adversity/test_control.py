"""The commands, the log's file, the process's number, and those who watch over HTTP."""

from __future__ import annotations

import json
import os
import signal
import stat
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.control import Controlled, config, fastws
from support.proxy import Proxy
from support.raw import Upstream, connect, request, tunnel
from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from pathlib import Path


def test_the_status_tells_what_goes_on(tmp_path: Path, upstream: Upstream) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy, ExitStack() as stack:
        for _ in range(4):
            client, server = stack.enter_context(tunnel(proxy, upstream))
            client.send_text("hello")
            server.read_message()
        with connect(proxy) as client:
            client.send(request(without=["Host"]))
            assert client.read_head().status == 400
        status = proxy.status()
        assert (status["pid"], status["ready"]) == (proxy.pid, True)
        assert {each["pid"] for each in status["workers"]} == set(proxy.worker_pids)
        assert {each["driver"] for each in status["workers"]} == {Proxy.driver}
        assert sum(each["tunnels"] for each in status["workers"]) == 4
        assert [each["address"] for each in status["listeners"]] == proxy.addresses
        (server_,) = status["servers"]
        assert (server_["state"], server_["connections"], server_["served"]) == ("up", 4, 4)
        totals = status["totals"]
        assert (totals["opened"], totals["messages_in"]) == (4, 4)
        assert totals["answers"] == {"400": 1}
        assert "127.0.0.1" in proxy.say("status")


def test_only_the_user_may_use_the_socket(tmp_path: Path, upstream: Upstream) -> None:
    with Controlled(tmp_path, config(upstream.address)) as proxy:
        assert stat.S_IMODE(proxy.control.stat().st_mode) == 0o600
    assert not proxy.control.exists()


def test_a_command_finds_the_only_proxy(tmp_path: Path, upstream: Upstream) -> None:
    # Nor among the temporary files does anybody else have one.
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "RUNTIME_DIRECTORY": ""}
    env["TMPDIR"] = str(tmp_path)
    assert "no fastws runs here" in fastws("status", env=env).stderr
    with Proxy(upstream, env=env) as one:
        answer = json.loads(fastws("status", "--json", env=env).stdout)
        assert answer["pid"] == one.pid
        with Proxy(upstream, env=env):
            assert "more than one fastws runs here" in fastws("status", env=env).stderr


def test_a_stop_waits_for_the_end(tmp_path: Path, upstream: Upstream) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        assert proxy.say("stop") == ""
        assert proxy.wait() == 0


def test_no_place_for_the_socket_is_no_reason_not_to_serve(
    tmp_path: Path, upstream: Upstream
) -> None:
    (tmp_path / "fastws").write_text("a file")
    env = {"XDG_RUNTIME_DIR": str(tmp_path), "RUNTIME_DIRECTORY": ""}
    with Proxy(upstream, env=env) as proxy:
        proxy.event("no_control_socket")
        with tunnel(proxy, upstream):
            pass


def test_a_place_that_was_asked_for_has_to_do(tmp_path: Path) -> None:
    result = fastws("serve", "--upstream", "127.0.0.1:9", "--control", tmp_path / "no" / "s")
    assert result.returncode == 1
    assert result.stderr.startswith(f"fastws: error: no control socket at {tmp_path}/no/s: No such")


def test_the_log_goes_to_its_file_and_is_opened_again(tmp_path: Path, upstream: Upstream) -> None:
    file, old = tmp_path / "log", tmp_path / "log.1"
    more = f'log = {{file = "{file}", format = "json"}}\npid = "{tmp_path}/pid"\n'
    with Controlled(tmp_path, config(upstream.address, more=more), workers=2) as proxy:
        assert (tmp_path / "pid").read_text() == f"{proxy.pid}\n"
        with tunnel(proxy, upstream):
            pass
        assert until(lambda: "tunnel_closed" in file.read_text())
        file.rename(old)
        proxy.signal(signal.SIGUSR1)
        # Each process opens it by itself.
        assert until(lambda: proxy.writes(file))
        with tunnel(proxy, upstream):
            pass
        assert until(lambda: "tunnel_closed" in file.read_text())
    assert not (tmp_path / "pid").exists()


def test_those_who_watch_get_their_answers(tmp_path: Path, upstream: Upstream) -> None:
    with Upstream() as free:
        admin = free.address
    more = f'admin = {{listen = "{admin}"}}'

    def get(path: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{admin}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    with (
        Controlled(tmp_path, config(upstream.address, more=more), workers=2) as proxy,
        tunnel(proxy, upstream),
    ):
        assert get("/healthz") == (200, "ok\n")
        assert get("/readyz") == (200, "ready\n")
        assert get("/other")[0] == 404
        status, text = get("/metrics")
        assert status == 200
        assert "fastws_tunnels_opened_total 1.0" in text
        assert f'driver="{Proxy.driver}"' in text
        assert f'fastws_server_up{{server="{upstream.address}",upstream="u"}} 1.0' in text


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"command": "drain", "rate": "x"}\n', b"\n"])
def test_nonsense_on_the_socket_is_answered(
    tmp_path: Path, upstream: Upstream, line: bytes
) -> None:
    with Controlled(tmp_path, config(upstream.address)) as proxy:
        with connect(f"unix:{proxy.control}") as wire:
            wire.send(line)
            assert json.loads(wire.sock.recv(4096))["ok"] is False
        assert proxy.status()["ready"]
