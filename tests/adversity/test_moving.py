"""Tunnels move between workers and to a new process, and their peers notice nothing."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support.control import Controlled, config
from support.raw import Upstream, connect, handshake, tunnel
from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from pathlib import Path

    from support.certificates import Certificates


@pytest.fixture(autouse=True)
def _bare_driver(driver: str) -> None:
    if driver == "transport":
        pytest.skip("its tunnels do not move")


def talk(pairs: list[tuple[Any, Any]]) -> None:
    for client, server in pairs:
        client.send_text("up")
        assert server.read_message() == b"up"
        server.send_text("down")
        assert client.read_message() == b"down"


def test_a_worker_is_emptied_and_another_has_its_tunnels(
    upstream: Upstream, tmp_path: Path
) -> None:
    text = config(upstream.address)
    with Controlled(tmp_path, text, workers=2) as proxy, ExitStack() as stack:
        pairs = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(10)]
        before = proxy.ask("status")
        number = before["workers"][0]["worker"]
        assert proxy.say("drain", number, "--move") == "closed 0 tunnels"
        after = proxy.ask("status")
        assert before["workers"][0]["pid"] not in {each["pid"] for each in after["workers"]}
        assert sum(proxy.loads) == 10
        for totals in (before["totals"], after["totals"]):
            assert (totals["opened"], totals["tunnels"], totals["connections"]) == (10, 10, 10)
        assert after["servers"][0]["connections"] == after["servers"][0]["served"] == 10
        talk(pairs)
        assert "only the tunnels of a worker can move" in proxy.refuse(
            "drain", upstream.address, "--move"
        )


def test_load_is_evened(upstream: Upstream, tmp_path: Path) -> None:
    text = config(upstream.address)
    with Controlled(tmp_path, text, workers=2) as proxy, ExitStack() as stack:
        pairs = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(11)]
        proxy.say("upgrade")
        assert until(lambda: sorted(proxy.loads) == [5, 6])
        assert proxy.say("rebalance") == "moved 0 tunnels"
        with ExitStack() as others:
            for _ in range(20):
                others.enter_context(tunnel(proxy, upstream))
        assert until(lambda: sum(proxy.loads) == 11)
        proxy.say("rebalance")
        assert sorted(proxy.loads) == [5, 6]
        talk(pairs)


def test_what_cannot_move_is_left_out_when_load_is_evened(
    upstream: Upstream, tmp_path: Path, certificates: Certificates
) -> None:
    text = config(upstream.address, listen=("127.0.0.1:0", "wss://127.0.0.1:0"))
    context = certificates.client()
    with (
        Controlled(tmp_path, text, workers=2, flags=certificates.flags) as proxy,
        ExitStack() as stack,
    ):
        pairs = []
        for _ in range(8):
            pairs.append(stack.enter_context(tunnel(proxy, upstream)))
            client = stack.enter_context(connect(proxy.addresses[1].removeprefix("wss://")))
            client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
            stack.enter_context(handshake(client, upstream))
        os.kill(proxy.worker_pids[0], signal.SIGKILL)
        proxy.event("worker_started")
        lost = proxy.event("worker_lost")["tunnels"]
        closed = proxy.matching("tunnel_closed", ended_by="worker_lost")
        assert len(closed) == lost
        gone = {each["client"] for each in closed}
        alive = [pair for pair in pairs if f"127.0.0.1:{pair[0].port}" not in gone]
        moved = min(len(alive), (16 - lost) // 2)
        assert proxy.say("rebalance") == f"moved {moved} tunnels"
        assert sorted(proxy.loads) == sorted((moved, 16 - lost - moved))
        talk(alive)
        proxy.forgive("worker_lost")


def test_a_signal_upgrades_too(upstream: Upstream, tmp_path: Path) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        with tunnel(proxy, upstream) as pair:
            proxy.signal(signal.SIGUSR2)
            proxy.event("upgraded")
            assert proxy.process.wait(PATIENCE) == 0
            talk([pair])
            with tunnel(proxy, upstream) as another:
                talk([pair, another])
        assert proxy.ask("status")["pid"] != proxy.pid


def test_a_configuration_with_a_fault_leaves_all_as_it_was(
    upstream: Upstream, tmp_path: Path
) -> None:
    good = config(upstream.address, listen=(f"unix:{tmp_path}/s.sock",))
    with Controlled(tmp_path, good, workers=2) as proxy:
        with tunnel(proxy, upstream) as pair:
            # The second fault is one that only the new process comes across.
            for fault, line in (
                ("nonsense", "nonsense = 1"),
                ("write", f'pid = "{tmp_path}/no/p"'),
            ):
                proxy.file.write_text(f"{line}\n{good}")
                assert fault in proxy.refuse("upgrade")
                talk([pair])
                assert proxy.ask("status")["pid"] == proxy.pid
                with tunnel(proxy, upstream) as another:
                    talk([another])
            proxy.file.write_text(good)
            proxy.say("upgrade")
            talk([pair])
        proxy.forgive("upgrade_failed")
        assert [line for line in proxy.stray if "cannot write" not in line] == []
        proxy.stray.clear()


def test_commands_and_watchers_are_answered_while_another_begins(
    upstream: Upstream, tmp_path: Path
) -> None:
    with Upstream() as free:
        admin = free.address
    more = f'admin.listen = "{admin}"\npid = "{tmp_path}/pid"'
    with Controlled(tmp_path, config(upstream.address, more=more), workers=2) as proxy:
        over = threading.Event()
        answers: list[bytes] = []
        faults: list[BaseException] = []

        def ask() -> None:
            try:
                while not over.is_set():
                    proxy.ask("status")
                    with connect(admin) as wire:
                        wire.send(b"GET /readyz HTTP/1.1\r\n\r\n")
                        answers.append(wire.sock.recv(100)[:12])
            except BaseException as fault:  # noqa: BLE001
                faults.append(fault)

        asking = threading.Thread(target=ask)
        asking.start()
        for _ in range(3):
            proxy.say("upgrade")
        over.set()
        asking.join()
        assert not faults
        assert answers
        assert set(answers) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        last = proxy.ask("status")["pid"]
        assert last != proxy.pid
        assert until(lambda: (tmp_path / "pid").read_text() == f"{last}\n")


def test_tunnels_over_tls_stay_and_are_drained(
    upstream: Upstream, tmp_path: Path, certificates: Certificates
) -> None:
    text = config(upstream.address, listen=("127.0.0.1:0", "wss://127.0.0.1:0"))
    text += "[drain]\nspread = 0.1\n"
    context = certificates.client()
    with (
        Controlled(tmp_path, text, workers=2, flags=certificates.flags) as proxy,
        tunnel(proxy, upstream) as plain,
        connect(proxy.addresses[1].removeprefix("wss://")) as client,
    ):
        client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
        with handshake(client, upstream) as server:
            assert proxy.say("upgrade").endswith(" 1 tunnels stay until they end")
            talk([plain])
            assert client.read_close() == (1012, "service restart")
            assert server.read_close() == (1012, "service restart")
            for wire in (client, server):
                wire.send_close(1012)
        proxy.event("tunnel_closed", ended_by="drain", code=1012)
        talk([plain])
