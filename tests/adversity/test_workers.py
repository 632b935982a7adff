"""Several workers: the spread of connections, what they count together, and their deaths."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.proxy import Proxy
from support.raw import Upstream, connect, gets_through, request, tunnel
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def second() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


def of_worker(pid: int) -> int:
    """How many sockets a process has."""
    return sum(
        os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")  # noqa: PTH115
        for fd in os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
    )


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "unix"])
def test_connections_spread_over_the_workers(
    upstream: Upstream, listen: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if listen == "unix":
        listen = f"unix:{tmp_path_factory.mktemp('s')}/s"
    with Proxy(upstream, listen=(listen,), workers=2) as proxy, ExitStack() as stack:
        before = [of_worker(pid) for pid in proxy.worker_pids]
        for _ in range(100):
            stack.enter_context(tunnel(proxy, upstream))
        shares = [
            of_worker(pid) - base for pid, base in zip(proxy.worker_pids, before, strict=True)
        ]
        assert sum(shares) == 200
        # At a trickle a socket that is shared goes to whoever wakes first.
        assert min(shares) > (50 if listen[0] == "1" else 0)


def test_workers_may_be_kept_on_cores(upstream: Upstream) -> None:
    cores = sorted(os.sched_getaffinity(0))
    with Proxy(upstream, workers=2, settings={"pin_workers": "true"}) as proxy:
        assert [os.sched_getaffinity(pid) for pid in sorted(proxy.worker_pids)] == [
            {cores[place % len(cores)]} for place in range(2)
        ]


def test_round_robin_is_one_for_all_workers(upstream: Upstream, second: Upstream) -> None:
    with Proxy(upstream, second, workers=2) as proxy, ExitStack() as stack:
        for number in range(40):
            client = stack.enter_context(connect(proxy))
            client.send(request())
            stack.enter_context((upstream, second)[number % 2].accept())
        upstream.expect_nobody()
        second.expect_nobody()


def test_a_limit_is_one_for_all_workers(upstream: Upstream) -> None:
    settings = {"upstreams[0].servers[0].max_conns": 10}
    with Proxy(upstream, workers=2, settings=settings) as proxy:
        with ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(tunnel(proxy, upstream))
            for _ in range(20):
                with connect(proxy) as client:
                    client.send(request())
                    assert client.read_head().status == 502
            upstream.expect_nobody()

        assert until(lambda: gets_through(proxy, upstream))


def test_a_killed_worker_is_replaced_and_its_tunnels_are_named(upstream: Upstream) -> None:
    settings = {"upstreams[0].servers[0].max_conns": 12}
    with (
        Proxy(upstream, workers=2, settings=settings) as proxy,
        ExitStack() as stack,
    ):
        tunnels = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(12)]
        victim, survivor = proxy.worker_pids
        os.kill(victim, signal.SIGKILL)
        lost = proxy.event("worker_lost", how="SIGKILL")
        proxy.event("worker_started")
        assert len(proxy.worker_pids) == 2
        assert survivor in proxy.worker_pids
        ended = proxy.matching("tunnel_closed", ended_by="worker_lost", code=1006)
        assert len(ended) == lost["tunnels"]
        gone = {event["client"] for event in ended}
        assert all(event["upstream"] == upstream.address for event in ended)
        for client, server in tunnels:
            if f"127.0.0.1:{client.port}" in gone:
                client.expect_end()
                server.expect_end()
            else:
                client.send_text("still here")
                assert server.read_message() == b"still here"
        # The places of those that are lost are free again.
        for _ in ended:
            stack.enter_context(tunnel(proxy, upstream))
        with connect(proxy) as client:
            client.send(request())
            assert client.read_head().status == 502
        proxy.forgive("worker_lost")


def test_what_waits_at_a_worker_that_died_is_served_by_the_next(upstream: Upstream) -> None:
    with Proxy(upstream, workers=1) as proxy:
        (victim,) = proxy.worker_pids
        os.kill(victim, signal.SIGSTOP)
        with connect(proxy) as client:
            client.send(request("/waits"))
            os.kill(victim, signal.SIGKILL)
            with upstream.accept() as server:
                assert server.read_head().start.startswith("GET /waits ")
        proxy.forgive("worker_lost")


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(upstream: Upstream) -> None:
    with Proxy(upstream, workers=2) as proxy:
        victim, _ = proxy.worker_pids
        os.kill(victim, signal.SIGSTOP)
        proxy.event("worker_hangs", pid=victim)
        proxy.event("worker_lost", pid=victim, how="SIGKILL")
        proxy.event("worker_started")
        for _ in range(10):
            with tunnel(proxy, upstream) as (client, server):
                client.send_text("hello")
                assert server.read_message() == b"hello"
        proxy.forgive("worker_lost", "worker_hangs")


def test_workers_do_not_outlive_a_supervisor_that_is_killed(upstream: Upstream) -> None:
    with Proxy(upstream, workers=2) as proxy, ExitStack() as stack:
        tunnels = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(4)]
        proxy.process.kill()
        for client, server in tunnels:
            assert client.read_close()[0] == server.read_close()[0] == 1001
            client.send_close(1001)
            server.send_close(1001)
        assert proxy.wait() == -signal.SIGKILL  # and all have closed the log
        assert until(lambda: len(proxy.matching("tunnel_closed", ended_by="shutdown")) == 4)
        with pytest.raises(ConnectionError):
            connect(proxy)
        proxy.expect_status(-signal.SIGKILL)


def test_every_tunnel_of_every_worker_is_closed_at_the_end(upstream: Upstream) -> None:
    with Proxy(upstream, workers=2) as proxy, ExitStack() as stack:
        tunnels = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(20)]
        proxy.signal(signal.SIGTERM)
        for client, server in tunnels:
            assert client.read_close() == server.read_close() == (1001, "shutting down")
            client.send_close(1001)
            server.send_close(1001)
            server.close()
        assert proxy.wait() == 0
        assert len(proxy.matching("tunnel_closed", ended_by="shutdown")) == 20


def test_numbers_in_the_log_are_given_once(upstream: Upstream) -> None:
    with Proxy(upstream, workers=2) as proxy, ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(tunnel(proxy, upstream))
        assert until(lambda: len(proxy.matching("tunnel_opened")) == 30)
        assert len({event["id"] for event in proxy.matching("tunnel_opened")}) == 30


def test_one_connection_too_many_is_one_in_all_workers(upstream: Upstream) -> None:
    settings = {"limits.connections": 6}
    with Proxy(upstream, workers=2, settings=settings) as proxy, ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(tunnel(proxy, upstream))
        for _ in range(6):
            with connect(proxy) as client:
                client.send(request())
                assert client.read_head().status == 503
        upstream.expect_nobody()
