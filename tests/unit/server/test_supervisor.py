"""The supervisor as a process of its own: how it begins, and how signals end it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from support.proxy import Proxy
from support.raw import Upstream, connect, handshake, request
from support.waiting import SOON

from fastws.errors import FastwsError
from fastws.server import supervisor

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
        Proxy(upstream, settings={"drain.timeout": 3600}) as proxy,
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
        assert 0.3 <= time.monotonic() - start < SOON


def test_a_second_signal_ends_the_wait(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings={"drain.timeout": 3600}) as proxy,
        connect(proxy) as client,
        handshake(client, upstream),
    ):
        proxy.signal(signal.SIGTERM)
        assert client.read_close() == (1001, "shutting down")  # it drains
        proxy.signal(signal.SIGTERM)
        assert proxy.wait() == 0


def test_it_accepts_nobody_while_it_drains(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings={"drain.timeout": 3600}) as proxy,
        connect(proxy) as client,
        handshake(client, upstream),
    ):
        proxy.signal(signal.SIGTERM)
        assert client.read_close() == (1001, "shutting down")
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        proxy.signal(signal.SIGTERM)
        assert proxy.wait() == 0


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


def test_without_memory_to_share_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise MemoryError

    monkeypatch.setattr(supervisor, "Board", refuse)
    with pytest.raises(FastwsError, match="no memory that the workers could share"):
        supervisor._board(4)
