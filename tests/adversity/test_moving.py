"""Tunnels move between workers and to a new process, and their peers notice nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.proxy import FASTWS, Proxy, until
from support.raw import Upstream, connect, handshake, tunnel
from support.steady import Steady

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.certificates import Certificates

    Command = Callable[..., str]


@pytest.fixture(autouse=True)
def _bare_driver(driver: str) -> None:
    if driver == "transport":
        pytest.skip("its tunnels do not move")


@contextmanager
def controlled(upstream: object, folder: Path, **more: Any) -> Iterator[tuple[Proxy, Command]]:
    """A proxy of two workers, and its commands; ended by one, whichever process it is by then."""
    control = folder / "control"

    def command(*words: str, fails: bool = False) -> str:
        done = subprocess.run(
            [FASTWS, *words, "--control", control],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert bool(done.returncode) == fails, done
        return done.stderr if fails else done.stdout

    flags = (*more.pop("flags", ()), "--control", str(control))
    with Proxy(upstream, workers=2, flags=flags, **more) as proxy:
        try:
            yield proxy, command
        finally:
            command("stop")
            proxy.process.wait(10)


def status(command: Command) -> dict[str, Any]:
    return json.loads(command("status", "--json"))


def loads(command: Command) -> list[int]:
    """The tunnels of each worker that serves."""
    workers = status(command)["workers"]
    return [worker["tunnels"] for worker in workers if worker["state"] == "serving"]


@pytest.mark.slow
def test_no_message_is_lost_over_upgrades_and_moves(tmp_path: Path) -> None:
    with Steady(200) as load, controlled(load, tmp_path) as (proxy, command):
        host, _, port = proxy.address.partition(":")
        load.begin(host, int(port))
        pids = {proxy.pid}
        for _ in range(10):
            worker = status(command)["workers"][0]["worker"]
            assert command("drain", str(worker), "--move") == "closed 0 tunnels\n"
            command("rebalance")
            assert max(loads(command)) - min(loads(command)) <= 1
            assert command("upgrade").endswith(" 0 tunnels stay until they end\n")
            pids.add(status(command)["pid"])
            assert sum(loads(command)) == 200
        assert len(pids) == 11
        load.end()
        assert load.counts["messages"] > 200 * 5
        closed = proxy.matching("tunnel_closed")
        assert {event["ended_by"] for event in closed} == {"client"}
        assert len({event["id"] for event in closed}) == len(closed) == 200


def talk(pairs: list[tuple[Any, Any]]) -> None:
    for client, server in pairs:
        client.send_text("up")
        assert server.read_message() == b"up"
        server.send_text("down")
        assert client.read_message() == b"down"


def test_a_worker_is_emptied_and_another_has_its_tunnels(
    upstream: Upstream, tmp_path: Path
) -> None:
    with controlled(upstream, tmp_path) as (proxy, command), ExitStack() as stack:
        pairs = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(10)]
        before = status(command)
        number = before["workers"][0]["worker"]
        assert command("drain", str(number), "--move") == "closed 0 tunnels\n"
        after = status(command)
        assert before["workers"][0]["pid"] not in {each["pid"] for each in after["workers"]}
        assert sum(loads(command)) == 10
        for totals in (before["totals"], after["totals"]):
            assert (totals["opened"], totals["tunnels"], totals["connections"]) == (10, 10, 10)
        assert after["servers"][0]["connections"] == after["servers"][0]["served"] == 10
        talk(pairs)
        assert "only the tunnels of a worker can move" in command(
            "drain", upstream.address, "--move", fails=True
        )


def test_load_is_evened(upstream: Upstream, tmp_path: Path) -> None:
    with controlled(upstream, tmp_path) as (proxy, command), ExitStack() as stack:
        pairs = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(11)]
        command("upgrade")
        assert until(lambda: sorted(loads(command)) == [5, 6])
        assert command("rebalance") == "moved 0 tunnels\n"
        with ExitStack() as others:
            for _ in range(20):
                others.enter_context(tunnel(proxy, upstream))
        command("rebalance")
        assert sorted(loads(command)) == [5, 6]
        talk(pairs)


def test_a_signal_upgrades_too(upstream: Upstream, tmp_path: Path) -> None:
    with controlled(upstream, tmp_path) as (proxy, command):
        with tunnel(proxy, upstream) as pair:
            proxy.signal(signal.SIGUSR2)
            proxy.event("upgraded")
            assert proxy.process.wait(10) == 0
            talk([pair])
            with tunnel(proxy, upstream) as another:
                talk([pair, another])
        assert status(command)["pid"] != proxy.pid


def test_a_configuration_with_a_fault_leaves_all_as_it_was(
    upstream: Upstream, tmp_path: Path
) -> None:
    file, path = tmp_path / "fastws.toml", tmp_path / "s.sock"
    good = f"""
        listeners = ["unix:{path}"]
        [[upstreams]]
        name = "default"
        servers = ["{upstream.address}"]
    """
    file.write_text(good)
    with controlled(upstream, tmp_path, flags=(str(file),), listen=()) as (proxy, command):
        with tunnel(proxy, upstream) as pair:
            # The second fault is one that only the new process comes across.
            for fault, text in (
                ("nonsense", f"nonsense = 1\n{good}"),
                ("cannot write", good.replace("[[", f'pid = "{tmp_path}/no/pid"\n[[', 1)),
            ):
                file.write_text(text)
                assert fault in command("upgrade", fails=True)
                talk([pair])
                assert status(command)["pid"] == proxy.pid
                with tunnel(proxy, upstream) as another:
                    talk([another])
            file.write_text(good)
            command("upgrade")
            talk([pair])
        proxy.forgive("upgrade_failed")
        assert [line for line in proxy.stray if "cannot write" not in line] == []
        proxy.stray.clear()


def test_commands_and_watchers_are_answered_while_another_begins(
    upstream: Upstream, tmp_path: Path
) -> None:
    with Upstream() as free:
        admin = free.address
    settings = {"admin.listen": admin, "pid": tmp_path / "pid"}
    with controlled(upstream, tmp_path, settings=settings) as (proxy, command):
        over = threading.Event()
        answers: list[bytes] = []
        faults: list[BaseException] = []

        def ask() -> None:
            try:
                while not over.is_set():
                    status(command)
                    with connect(admin) as wire:
                        wire.send(b"GET /readyz HTTP/1.1\r\n\r\n")
                        answers.append(wire.sock.recv(100)[:12])
            except BaseException as fault:  # noqa: BLE001
                faults.append(fault)

        asking = threading.Thread(target=ask)
        asking.start()
        for _ in range(3):
            command("upgrade")
        over.set()
        asking.join()
        assert not faults
        assert set(answers) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        last = status(command)["pid"]
        assert last != proxy.pid
        assert (tmp_path / "pid").read_text() == f"{last}\n"


def test_tunnels_over_tls_stay_and_are_drained(
    upstream: Upstream, tmp_path: Path, certificates: Certificates
) -> None:
    listen = ("127.0.0.1:0", "wss://127.0.0.1:0")
    flags = certificates.flags
    context = certificates.client()
    with (
        controlled(
            upstream, tmp_path, listen=listen, flags=flags, settings={"drain.spread": "100ms"}
        ) as (proxy, command),
        tunnel(proxy, upstream) as plain,
        connect(proxy.addresses[1].removeprefix("wss://")) as client,
    ):
        client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
        with handshake(client, upstream) as server:
            assert command("upgrade").endswith(" 1 tunnels stay until they end\n")
            talk([plain])
            assert client.read_close() == (1012, "service restart")
            assert server.read_close() == (1012, "service restart")
            for wire in (client, server):
                wire.send_close(1012)
        proxy.event("tunnel_closed", ended_by="drain", code=1012)
        talk([plain])
