"""More workers or fewer by a reload: nothing is cut, and nobody is turned away."""

from __future__ import annotations

import select
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.control import Controlled, config
from support.proxy import Proxy
from support.raw import Upstream, connect, handshake, request, tunnel
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from support.certificates import Certificates
    from support.raw import Wire


def of_so_many(upstream: Upstream, workers: int, more: str = "", **how: tuple[str, ...]) -> str:
    return config(upstream.address, more=f"workers = {workers}\n{more}", **how)


def loads(proxy: Controlled) -> list[int]:
    """The tunnels of each worker that serves."""
    workers = proxy.status()["workers"]
    return sorted(worker["tunnels"] for worker in workers if worker["state"] == "serving")


def talk(pairs: list[tuple[Wire, Wire]]) -> None:
    for client, server in pairs:
        client.send_text("up")
        assert server.read_message() == b"up"
        server.send_text("down")
        assert client.read_message() == b"down"


def test_tunnels_go_to_others_when_workers_come_and_go(tmp_path: Path, upstream: Upstream) -> None:
    if Proxy.driver == "transport":
        pytest.skip("its tunnels do not move")
    with Controlled(tmp_path, of_so_many(upstream, 2), workers=0) as proxy, ExitStack() as stack:
        pairs = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(12)]
        first = set(proxy.worker_pids)
        for count in (4, 3, 1, 2):
            assert proxy.reload(of_so_many(upstream, count)) == "workers: changed"
            even = loads(proxy)
            assert (len(even), sum(even)) == (count, 12)
            assert max(even) - min(even) <= 1
            talk(pairs)
            with tunnel(proxy, upstream) as another:
                talk([another])
        assert until(lambda: len(proxy.worker_pids) == 2)
        assert len(first & set(proxy.worker_pids)) == 1
        assert not proxy.matching("tunnel_closed", ended_by="drain")


def test_nobody_is_turned_away_while_workers_come_and_go(
    tmp_path: Path, upstream: Upstream
) -> None:
    """Somebody connects all the time, and waits in one queue or another."""
    text = config(upstream.address, more="workers = 1")
    with Controlled(tmp_path, text, workers=0) as proxy:
        over = threading.Event()
        answers: list[int] = []
        faults: list[BaseException] = []

        def ask() -> None:
            try:
                while not over.is_set():
                    with connect(proxy) as client:
                        client.send(request(without=["Sec-WebSocket-Key"]))
                        answers.append(client.read_head().status)
            except BaseException as fault:  # noqa: BLE001
                faults.append(fault)

        asking = [threading.Thread(target=ask) for _ in range(4)]
        for each in asking:
            each.start()
        for count in (4, 2, 3, 1, 4, 1):
            proxy.reload(of_so_many(upstream, count))
            seen = len(answers)
            assert until(lambda seen=seen: faults or len(answers) > seen + 20)
        over.set()
        for each in asking:
            each.join()
        assert not faults
        assert set(answers) == {400}


def test_tunnels_over_tls_are_drained(
    tmp_path: Path, upstream: Upstream, certificates: Certificates
) -> None:
    drain = 'drain = {spread = "100ms"}\n'
    text = of_so_many(upstream, 2, drain, listen=("wss://127.0.0.1:0",))
    context = certificates.client()
    with (
        Controlled(tmp_path, text, workers=0, flags=certificates.flags) as proxy,
        ExitStack() as stack,
    ):
        pairs = []
        for _ in range(12):
            client = stack.enter_context(connect(proxy.address.removeprefix("wss://")))
            client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
            pairs.append((client, stack.enter_context(handshake(client, upstream))))
        proxy.reload(text.replace("workers = 2", "workers = 1"))
        (stay,) = loads(proxy)
        clients = {server: client for client, server in pairs}
        servers = {server.sock: server for _, server in pairs}
        told = partial(select.select, servers, (), (), 0)
        assert until(lambda: len(told()[0]) == 12 - stay)
        for sock in told()[0]:
            server = servers.pop(sock)
            client = clients.pop(server)
            assert server.read_close() == client.read_close() == (1012, "service restart")
            for wire in (server, client):
                wire.send_close(1012)
        talk([(client, server) for server, client in clients.items()])


def test_one_that_cannot_begin_changes_nothing(tmp_path: Path, upstream: Upstream) -> None:
    with (
        Controlled(tmp_path, of_so_many(upstream, 2), workers=0) as proxy,
        tunnel(proxy, upstream) as pair,
    ):
        before = proxy.worker_pids
        proxy.file.write_text(of_so_many(upstream, 1000))
        assert "workers: until the next start there can be" in proxy.refuse("reload")
        assert proxy.worker_pids == before
        talk([pair])
        proxy.forgive("reload_failed")
