"""Tunnels closed on purpose, one after another, and the ways to ask for it."""

from __future__ import annotations

import os
import select
import selectors
import signal
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.control import Controlled, config
from support.proxy import Event, Proxy
from support.raw import Upstream, Wire, connect, meanwhile, request, switching, tunnel
from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from contextlib import AbstractContextManager
    from pathlib import Path


@pytest.fixture
def second() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def answer(client: Wire, server: Wire, code: int = 1012, reason: str = "drained") -> None:
    """Take leave as both peers of a tunnel do."""
    assert client.read_close() == server.read_close() == (code, reason)
    client.send_close(code)
    server.send_close(code)
    server.close()


def drain_in(proxy: Controlled, *arguments: object) -> AbstractContextManager[Future[object]]:
    """Begin a drain, whose answer comes when the tunnels are gone."""
    return meanwhile(proxy.say, "drain", *arguments)


def drained_by(proxy: Proxy, code: int) -> list[Event]:
    return proxy.matching("tunnel_closed", ended_by="drain", code=code)


def test_all_tunnels_are_closed_with_a_code_and_a_reason(
    tmp_path: Path, upstream: Upstream, stack: ExitStack
) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        tunnels = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(10)]
        with drain_in(proxy, "--jitter", "0", "--code", "4001") as drained:
            for client, server in tunnels:
                answer(client, server, 4001)
            assert drained.result(PATIENCE) == "closed 10 tunnels"
        assert until(lambda: len(drained_by(proxy, 4001)) == 10)
        with tunnel(proxy, upstream):
            pass


def test_hundreds_that_come_back_at_once_do_so_no_faster_than_the_rate(
    tmp_path: Path, upstream: Upstream, stack: ExitStack
) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        pairs = dict(stack.enter_context(tunnel(proxy, upstream)) for _ in range(200))
        waiting = stack.enter_context(selectors.DefaultSelector())
        for client in pairs:
            waiting.register(client.sock, selectors.EVENT_READ, client)
        began = time.monotonic()
        with drain_in(proxy, "--rate", "100/s"):
            while waiting.get_map():
                for key, _ in waiting.select(PATIENCE):
                    waiting.unregister(key.fileobj)
                    answer(key.data, pairs[key.data])
                    assert time.monotonic() - began > (199 - len(waiting.get_map())) / 100 - 0.1
                    client, server = stack.enter_context(tunnel(proxy, upstream))
                    client.send_text("back again")
                    assert server.read_message() == b"back again"
        assert until(lambda: len(drained_by(proxy, 1012)) == 200)


def test_a_drained_server_gets_no_connections_until_that_is_undone(
    tmp_path: Path, upstream: Upstream, second: Upstream
) -> None:
    servers = config(upstream.address, second.address)
    with Controlled(tmp_path, servers, workers=2) as proxy:
        with tunnel(proxy, upstream) as gone, tunnel(proxy, second) as (client, server):
            with drain_in(proxy, upstream.address, "--jitter", "0"):
                answer(*gone)
            client.send_text("still here")
            assert server.read_message() == b"still here"
            for _ in range(4):
                with tunnel(proxy, second):
                    pass
            upstream.expect_nobody()
            proxy.say("reload")
            states = {each["address"]: each["state"] for each in proxy.status()["servers"]}
            assert states == {upstream.address: "drained", second.address: "up"}
            assert proxy.say("drain", upstream.address, "--undo") == "undone"
            with connect(proxy) as one, connect(proxy) as two:
                one.send(request())
                two.send(request())
                upstream.accept().close()
                second.accept().close()


def test_a_drained_listener_accepts_nobody_until_that_is_undone(
    tmp_path: Path, upstream: Upstream
) -> None:
    path = f"unix:{tmp_path}/more.sock"
    both = config(upstream.address, listen=("127.0.0.1:0", path))
    with Controlled(tmp_path, both, workers=2) as proxy:
        with tunnel(path, upstream) as gone, tunnel(proxy, upstream) as (client, server):
            with drain_in(proxy, path, "--jitter", "0"):
                answer(*gone)
            with pytest.raises(OSError, match="No such file"):
                connect(path)
            client.send_text("still here")
            assert server.read_message() == b"still here"
        assert proxy.say("drain", path, "--undo") == "undone"
        with tunnel(path, upstream):
            pass


def test_a_drained_worker_is_replaced(tmp_path: Path, upstream: Upstream, stack: ExitStack) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        tunnels = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(12)]
        first, second = proxy.status()["workers"]
        told = partial(select.select, [client.sock for client, _ in tunnels], (), (), 0)
        with drain_in(proxy, first["worker"], "--jitter", "0") as drained:
            assert until(lambda: len(told()[0]) == first["tunnels"])
            gone = told()[0]
            for client, server in tunnels:
                if client.sock in gone:
                    answer(client, server)
                else:
                    client.send_text("still here")
                    assert server.read_message() == b"still here"
            assert drained.result(PATIENCE) == f"closed {first['tunnels']} tunnels"
        pids = {each["pid"] for each in proxy.status()["workers"]}
        assert second["pid"] in pids
        assert first["pid"] not in pids
        assert len(pids) == 2


def test_a_handshake_that_a_drained_worker_has_begun_is_carried_out(
    tmp_path: Path, upstream: Upstream
) -> None:
    with Controlled(tmp_path, config(upstream.address)) as proxy, connect(proxy) as client:
        client.send(request()[:30])
        assert until(lambda: proxy.ask("status")["workers"][0]["connections"] == 1)
        number = proxy.ask("status")["workers"][0]["worker"]
        with drain_in(proxy, number, "--jitter", "0") as drained:
            assert until(lambda: ending(proxy) == [number])
            client.send(request()[30:])
            with upstream.accept() as server:
                server.read_head()
                server.send(switching())
                assert client.read_head().status == 101
                answer(client, server)
            assert drained.result(PATIENCE) == "closed 1 tunnels"


def ending(proxy: Controlled) -> list[int]:
    """The numbers of workers that are to end."""
    workers = proxy.ask("status")["workers"]
    return [worker["worker"] for worker in workers if worker["state"] == "ending"]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("127.0.0.1:1",), "there is no server, listener or worker 127.0.0.1:1"),
        (("77",), "there is no server, listener or worker 77"),
        (("--undo",), "say which server or listener"),
    ],
)
def test_what_cannot_be_drained_is_refused(
    tmp_path: Path, upstream: Upstream, arguments: tuple[str, ...], fault: str
) -> None:
    with Controlled(tmp_path, config(upstream.address)) as proxy:
        assert fault in proxy.refuse("drain", *arguments)


def test_tunnels_move_to_a_worker_that_has_fewer(
    tmp_path: Path, upstream: Upstream, stack: ExitStack
) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        tunnels = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(12)]
        if Proxy.driver == "transport":
            while max(proxy.loads) - min(proxy.loads) < 2:  # chance may have made them even
                stack.enter_context(tunnel(proxy, upstream))
            assert proxy.say("rebalance") == "moved 0 tunnels"
            return
        # So that they differ by more than chance: a new worker has none.
        first, _ = proxy.worker_pids
        os.kill(first, signal.SIGKILL)
        proxy.event("worker_started")
        proxy.forgive("worker_lost")
        left = 12 - proxy.event("worker_lost")["tunnels"]
        assert proxy.say("rebalance") == f"moved {left // 2} tunnels"
        loads = sorted(each["tunnels"] for each in proxy.status()["workers"])
        assert loads == [left // 2, left - left // 2]
        lost = partial(proxy.matching, "tunnel_closed", ended_by="worker_lost")
        assert until(lambda: len(lost()) == 12 - left)
        gone = {event["client"] for event in lost()}
        for client, server in tunnels:
            if f"127.0.0.1:{client.port}" not in gone:
                client.send_text("still here")
                assert server.read_message() == b"still here"


def test_a_gentle_stop_takes_its_time_and_a_signal_hurries_it(
    tmp_path: Path, upstream: Upstream, stack: ExitStack
) -> None:
    text = config(upstream.address) + "[drain]\nspread = 600\n"
    with Controlled(tmp_path, text, workers=2) as proxy:
        tunnels = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(4)]
        proxy.signal(signal.SIGQUIT)
        for client, server in tunnels:
            client.send_text("still here")
            assert server.read_message() == b"still here"
        proxy.signal(signal.SIGTERM)
        for client, server in tunnels:
            answer(client, server, 1001, "shutting down")
        assert proxy.wait() == 0
