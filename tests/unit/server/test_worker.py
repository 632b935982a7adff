"""`run` in a process of its own, for it takes over the process: signals, descriptors, collector."""

from __future__ import annotations

import resource
import signal
import time
from typing import TYPE_CHECKING

import pytest
from support.proxy import Proxy
from support.raw import Upstream, connect, handshake, request

from fastws.server import worker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as listening:
        yield listening


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(upstream: Upstream, number: signal.Signals) -> None:
    with Proxy(upstream) as proxy:
        proxy.signal(number)
        assert proxy.wait() == 0


def test_it_waits_for_tunnels_to_close(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings={"drain.timeout": 60}) as proxy,
        connect(proxy) as client,
        handshake(client, upstream) as server,
    ):
        proxy.signal(signal.SIGTERM)
        for wire in (client, server):
            assert wire.read_close() == (1001, "shutting down")
        assert proxy.process.poll() is None
        for wire in (client, server):
            wire.send_close(1001)
        assert proxy.wait() == 0


def test_it_waits_no_longer_than_the_drain_timeout(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings={"drain.timeout": 0.3}) as proxy,
        connect(proxy) as client,
        handshake(client, upstream),
    ):
        start = time.monotonic()
        proxy.signal(signal.SIGTERM)
        assert proxy.wait() == 0
        assert 0.3 <= time.monotonic() - start < 5


def test_a_second_signal_ends_the_wait(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings={"drain.timeout": 60}) as proxy,
        connect(proxy) as client,
        handshake(client, upstream),
    ):
        proxy.signal(signal.SIGTERM)
        assert client.read_close() == (1001, "shutting down")  # it drains
        proxy.signal(signal.SIGTERM)
        assert proxy.wait(5) == 0


def test_it_accepts_nobody_while_it_drains(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings={"drain.timeout": 60}) as proxy,
        connect(proxy) as client,
        handshake(client, upstream),
    ):
        proxy.signal(signal.SIGTERM)
        assert client.read_close() == (1001, "shutting down")
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        proxy.signal(signal.SIGTERM)
        assert proxy.wait(5) == 0


def test_one_connection_too_many_gets_503_and_the_next_place_is_free_again(
    upstream: Upstream,
) -> None:
    with Proxy(upstream, settings={"limits.connections": 1}) as proxy:
        with connect(proxy) as first, handshake(first, upstream):
            with connect(proxy) as second:
                second.send(request())
                head = second.read_head()
                assert head.status == 503
                assert b"Too many connections" in second.read_body(head)
            upstream.expect_nobody()
        proxy.event("tunnel_closed")
        with connect(proxy) as third:
            handshake(third, upstream).close()


def test_the_cap_leaves_descriptors_for_both_sides_of_every_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = [(256, 1024)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    cap = worker._most_connections()
    assert limits[-1] == (1024, 1024), "the soft limit is raised to the hard one"
    assert 2 * cap < 1024 - 10
    assert cap > 1024 // 4


def test_there_is_room_for_one_even_when_descriptors_are_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8, 8))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert worker._most_connections() == 1


def test_no_limit_is_no_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    infinity = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (infinity, infinity))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert worker._most_connections() > 10**9
