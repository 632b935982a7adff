"""Many connections one after the other, and too many at once: nothing is left behind."""

from __future__ import annotations

import select
import time
from contextlib import ExitStack, suppress

import pytest
from support.frames import TEXT
from support.proxy import Proxy
from support.raw import Upstream, connect, gets_through, handshake, request, tunnel
from support.waiting import SOON, until

MIB = 1 << 20


def polite(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (client, server):
        client.send_text("hello")
        assert server.read_message() == b"hello"
        client.send_close(1000)
        server.read_close()
        server.send_close(1000)
        client.read_close()


def reset_by_client(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (client, _):
        client.reset()


def reset_by_upstream(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (_, server):
        server.reset()


def reset_in_the_head(proxy: Proxy, _: Upstream) -> None:
    with connect(proxy) as client:
        client.send(request()[:60])
        client.reset()


def reset_before_the_101(proxy: Proxy, upstream: Upstream) -> None:
    with connect(proxy) as client:
        client.send(request())
        with upstream.accept() as server:
            server.read_head()
            client.reset()


def refused(proxy: Proxy, _: Upstream) -> None:
    with connect(proxy) as client:
        client.send(request(without=["Sec-WebSocket-Key"]))
        assert client.read_head().status == 400


def reset_in_mid_flood(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (client, server):
        data = client.frame(TEXT, b"x" * 1000) * 200
        with suppress(BlockingIOError):
            client.sock.setblocking(False)
            client.sock.send(data)
        server.reset()
        client.reset()


PLAIN = b"PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"


def plain(proxy: Proxy, upstream: Upstream) -> None:
    with connect(proxy) as client:
        client.send(PLAIN + b"hello")
        with upstream.accept() as server:
            assert server.read_body(server.read_head()) == b"hello"
            server.send(ANSWER + b"hello")
            assert client.read_body(client.read_head()) == b"hello"


def reset_in_a_body(proxy: Proxy, upstream: Upstream) -> None:
    with connect(proxy) as client:
        client.send(PLAIN + b"he")
        with upstream.accept() as server:
            server.read_head()
            client.reset()


def reset_in_an_answer(proxy: Proxy, upstream: Upstream) -> None:
    with connect(proxy) as client:
        client.send(PLAIN + b"hello")
        with upstream.accept() as server:
            server.read_head()
            server.send(ANSWER + b"he")
            client.read_head()
            server.reset()


@pytest.mark.parametrize(
    ("cycle", "times"),
    [
        (polite, 2000),
        (reset_by_client, 500),
        (reset_by_upstream, 500),
        (reset_in_the_head, 1000),
        (reset_before_the_101, 500),
        (refused, 1000),
        (reset_in_mid_flood, 300),
        (plain, 2000),
        (reset_in_a_body, 1000),
        (reset_in_an_answer, 1000),
    ],
)
def test_memory_and_descriptors_stay_flat(
    proxy: Proxy, upstream: Upstream, cycle: object, times: int
) -> None:
    with tunnel(proxy, upstream) as (client, _):
        port = client.port
        busy = proxy.descriptors
    proxy.event("tunnel_closed", port=port)
    for _ in range(200):
        cycle(proxy, upstream)  # type: ignore[operator]
    assert proxy.settled(busy)
    before = proxy.rss
    for _ in range(times):
        cycle(proxy, upstream)  # type: ignore[operator]
        upstream.forget()
    assert proxy.settled(busy)
    assert proxy.rss - before < 2 * MIB
    polite(proxy, upstream)


def test_a_tls_listener_stays_flat_under_broken_hellos(
    upstream: Upstream,
    certificates,  # noqa: ANN001
) -> None:
    with Proxy(upstream, listen=("wss://127.0.0.1:0",), flags=certificates.flags) as proxy:
        with connect(proxy) as client:
            client.send(b"hello")
            client.read_all()  # with its first stream the loop opens a descriptor for good
        before = proxy.descriptors
        for number in range(300):
            with connect(proxy) as client:
                client.send(b"\x16\x03\x01\x00\x05hello"[: number % 11])
                if number % 2:
                    client.reset()
        assert proxy.settled(before)


def test_out_of_descriptors_it_waits_without_spinning_and_recovers(upstream: Upstream) -> None:
    with Proxy(upstream, descriptors=64) as proxy:
        with ExitStack() as stack:
            first = stack.enter_context(connect(proxy))
            server = stack.enter_context(handshake(first, upstream))
            clients = [stack.enter_context(connect(proxy)) for _ in range(150)]
            for client in clients:
                with suppress(ConnectionError):
                    client.send(request())
            # Some get a tunnel, the others a 503 or no answer yet; the first is not disturbed.
            while select.select([upstream.sock], [], [], 0.5)[0]:
                stack.enter_context(upstream.accept())
            server.send_text("still here")
            assert first.read_message() == b"still here"
            used, start = proxy.cpu, time.monotonic()
            first.expect_silence(2)
            assert (proxy.cpu - used) / (time.monotonic() - start) < 0.15

        assert until(lambda: gets_through(proxy, upstream))


def test_connections_that_never_speak_do_not_pile_up(upstream: Upstream) -> None:
    settings = {"timeouts.head": "0.5", "timeouts.linger": "0.5"}
    with Proxy(upstream, settings=settings) as proxy:
        before = proxy.descriptors
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(connect(proxy))
            assert until(lambda: proxy.descriptors >= before + 100)
            assert proxy.settled(before, seconds=SOON)


def test_a_client_that_ignores_its_refusal_is_freed(upstream: Upstream) -> None:
    settings = {"timeouts.linger": "0.5", "timeouts.close": "0.5", "timeouts.stall": "0.5"}
    with Proxy(upstream, settings=settings) as proxy:
        before = proxy.descriptors
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connect(proxy)).send(request(without=["Host"]))
            assert proxy.settled(before, seconds=SOON)
