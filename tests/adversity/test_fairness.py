"""Floods and storms on some connections, and how long others wait: 100 ms at most.

The machine has other work too. What a wait is longer by than the worker's own work meanwhile is not
the worker's, and the best of three series counts.
"""

from __future__ import annotations

import os
import signal
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from support.frames import BINARY
from support.proxy import Proxy
from support.raw import Upstream, connect, request, switching, tunnel
from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.certificates import Certificates

pytestmark = pytest.mark.timing

BOUND = 0.1
ECHOES = 100
FLOODS = 4


@contextmanager
def busy(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run works in threads beside the block, until it ends."""
    over = threading.Event()
    threads = [threading.Thread(target=work, args=(over,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def pump(source, sink, size: int) -> list[Callable[[threading.Event], None]]:  # noqa: ANN001
    """Send as fast as it goes, and read as fast as it goes."""
    message = source.frame(BINARY, b"x" * size) * (1 + 100_000 // size)

    def send(over: threading.Event) -> None:
        with suppress(OSError):
            while not over.is_set():
                source.sock.sendall(message)
        source.sock.close()

    def read(_over: threading.Event) -> None:
        with suppress(OSError):
            while sink.sock.recv(1 << 20):
                pass

    return [send, read]


def slowest_echo(proxy: Proxy, client, server, *, series: int = 3) -> float:  # noqa: ANN001
    """How long the slowest of a series takes, in the best of some."""
    return min(max(_echo(proxy, client, server, i) for i in range(ECHOES)) for _ in range(series))


def _echo(proxy: Proxy, client, server, number: int) -> float:  # noqa: ANN001
    start, work = time.monotonic(), proxy.work
    client.send_text(f"up {number}")
    assert server.read_message() == b"up %d" % number
    server.send_text(f"down {number}")
    assert client.read_message() == b"down %d" % number
    return min(time.monotonic() - start, proxy.work - work)


@pytest.mark.parametrize("size", [125, 1_000_000])
@pytest.mark.parametrize("direction", ["from clients", "from upstreams"])
def test_floods_do_not_delay_another_tunnel(
    proxy: Proxy, upstream: Upstream, size: int, direction: str
) -> None:
    with ExitStack() as stack:
        client, server = stack.enter_context(tunnel(proxy, upstream))
        works = []
        for _ in range(FLOODS):
            pair = stack.enter_context(tunnel(proxy, upstream))
            source, sink = pair if direction == "from clients" else reversed(pair)
            works += pump(source, sink, size)
        with busy(*works):
            assert slowest_echo(proxy, client, server) < BOUND


def test_a_storm_of_handshakes_does_not_delay_a_tunnel(proxy: Proxy, upstream: Upstream) -> None:
    opened = 0

    def storm(over: threading.Event) -> None:
        """Thirty at once, again and again; nobody waits for a tunnel before the next asks."""
        while not over.is_set():
            with ExitStack() as stack:
                for _ in range(30):
                    stack.enter_context(connect(proxy)).send(request())

    def answer(over: threading.Event) -> None:
        nonlocal opened
        upstream.sock.settimeout(0.2)
        while not over.is_set():
            with suppress(OSError, AssertionError), upstream.accept() as server:
                server.read_head()
                server.send(switching())
                opened += 1

    with tunnel(proxy, upstream) as (client, server):
        try:
            with busy(storm, answer):
                assert slowest_echo(proxy, client, server) < BOUND
                assert until(lambda: opened > 10)
        finally:
            upstream.sock.settimeout(PATIENCE)


def test_tls_handshakes_at_once_do_not_delay_a_tunnel(
    certificates: Certificates, driver: str
) -> None:
    out = ssl.MemoryBIO()
    tls = certificates.client().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = out.read()
    listen = ("127.0.0.1:0", "wss://127.0.0.1:0")
    with (
        Upstream() as upstream,
        Proxy(upstream, listen=listen, flags=certificates.flags, driver=driver) as proxy,
        tunnel(proxy, upstream) as (client, server),
        ExitStack() as stack,
    ):
        door = proxy.addresses[1].rpartition("://")[2]
        storm = [stack.enter_context(connect(door)) for _ in range(300)]
        for each in storm:
            each.send(hello[:7])
        (worker,) = proxy.worker_pids
        os.kill(worker, signal.SIGSTOP)
        for each in storm:
            each.send(hello[7:])
        os.kill(worker, signal.SIGCONT)
        assert slowest_echo(proxy, client, server, series=1) < BOUND
        for each in storm:
            assert each.receive()
