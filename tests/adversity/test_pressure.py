"""A fast sender and a slow reader: the sender is held, nothing grows, nothing is lost."""

from __future__ import annotations

import time

import pytest
from support.frames import BINARY, CLOSE, TEXT
from support.proxy import Proxy
from support.raw import Upstream, meanwhile, tunnel
from support.waiting import SOON

MIB = 1 << 20
both_directions = pytest.mark.parametrize("direction", ["from client", "from upstream"])


@both_directions
@pytest.mark.parametrize("size", [125, 1000, 60_000, 3_000_000])
def test_a_flood_is_held_back_and_then_arrives_whole(
    proxy: Proxy, upstream: Upstream, direction: str, size: int
) -> None:
    with tunnel(proxy, upstream) as (client, server):
        sender, receiver = (client, server) if direction == "from client" else (server, client)
        message = sender.frame(BINARY, (bytes(range(256)) * (size // 256 + 1))[:size])
        before = proxy.rss
        sent = sender.flood(message, limit=64 * MIB)
        assert sent < 64 * MIB, "the sender was never held back"
        assert proxy.rss - before < 2 * MIB
        # The rest of the message that was cut by the full pipe.
        rest = message[sent % len(message) :] if sent % len(message) else b""
        with meanwhile(sender.send, rest):
            whole = (sent + len(rest)) // len(message)
            for _ in range(whole):
                assert receiver.read(len(message)) == message
        assert proxy.rss - before < 2 * MIB


def test_both_directions_are_held_independently(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (client, server):
        message = client.frame(BINARY, b"x" * 10_000)
        sent = client.flood(message, limit=64 * MIB)
        for number in range(100):
            server.send_text(f"down {number}")
            assert client.read_message() == b"down %d" % number
        rest = message[sent % len(message) :]
        with meanwhile(client.send, rest):
            for _ in range((sent + len(rest)) // len(message)):
                assert server.read(len(message)) == message


def test_two_floods_at_once_both_arrive(proxy: Proxy, upstream: Upstream) -> None:
    """Neither side reads before it is full: a relay that waits for one side would deadlock."""
    with tunnel(proxy, upstream) as (client, server):
        up, down = (wire.frame(BINARY, b"y" * 5000) for wire in (client, server))
        sent_up = client.flood(up, limit=64 * MIB)
        sent_down = server.flood(down, limit=64 * MIB)
        up_whole, down_whole = -(-sent_up // len(up)), -(-sent_down // len(down))
        with (
            meanwhile(client.send, (up * up_whole)[sent_up:]),
            meanwhile(server.send, (down * down_whole)[sent_down:]),
        ):
            assert server.read(up_whole * len(up)) == up * up_whole
            assert client.read(down_whole * len(down)) == down * down_whole


@both_directions
def test_a_stalled_reader_is_given_up(upstream: Upstream, direction: str) -> None:
    settings = {"timeouts.stall": "1", "timeouts.linger": "0.5"}
    with Proxy(upstream, settings=settings) as proxy:
        with tunnel(proxy, upstream):
            busy = proxy.descriptors
        proxy.event("tunnel_closed")
        with tunnel(proxy, upstream) as (client, server):
            sender, receiver = (client, server) if direction == "from client" else (server, client)
            sender.flood(sender.frame(BINARY, b"x" * 1000), limit=64 * MIB)
            # The reader never reads, and is freed all the same.
            proxy.event("tunnel_closed", port=client.port, seconds=SOON)
            assert proxy.settled(busy - 2)
            receiver.close()


@both_directions
def test_a_peer_that_vanishes_while_it_is_held_back_is_noticed(
    upstream: Upstream, direction: str
) -> None:
    """A paused transport is blind to a reset: only a deadline shows it."""
    with (
        Proxy(upstream, settings={"timeouts.stall": "1"}) as proxy,
        tunnel(proxy, upstream) as (client, server),
    ):
        port = client.port
        sender, _ = (client, server) if direction == "from client" else (server, client)
        sender.flood(sender.frame(BINARY, b"x" * 1000), limit=64 * MIB)
        sender.reset()
        proxy.event("tunnel_closed", port=port, seconds=SOON)


def test_a_slow_reader_is_not_a_stalled_one(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings={"timeouts.stall": "6"}) as proxy,
        tunnel(proxy, upstream, small=True) as (client, server),
    ):
        message = server.frame(BINARY, b"x" * 1000)
        sent = server.flood(message, limit=64 * MIB)
        rest = message[sent % len(message) :]
        left = sent + len(rest)
        with meanwhile(server.send, rest):
            # A sip every 0.2 s for 8 s, then all the rest.
            for _ in range(40):
                left -= len(client.read(60_000))
                time.sleep(0.2)
            client.read(left)
        server.send_text("done")
        assert client.read_message() == b"done"


def test_an_idle_tunnel_is_closed(upstream: Upstream) -> None:
    settings = {"timeouts.idle": "3", "timeouts.close": "0.5"}
    with Proxy(upstream, settings=settings) as proxy, tunnel(proxy, upstream) as (client, server):
        for _ in range(5):
            client.expect_silence(0.8)
            server.send_text("traffic")
            assert client.read_message() == b"traffic"
        for wire in (client, server):
            frames = wire.read_to_end()
            assert {frame.opcode for frame in frames} <= {CLOSE}
        proxy.event("tunnel_closed", port=client.port)


def test_many_stalled_tunnels_cost_little(proxy: Proxy, upstream: Upstream) -> None:
    """Promise 6: a stalled direction costs a buffer of 128 KiB at most, and what the system rounds
    it up by.
    """
    with tunnel(proxy, upstream) as (client, server):
        client.flood(client.frame(TEXT, b"warm up"), limit=MIB)
        server.receive()
    before = proxy.rss
    opened = [tunnel(proxy, upstream) for _ in range(16)]
    try:
        for one in opened:
            client, server = one.__enter__()
            client.flood(client.frame(BINARY, b"x" * 1000), limit=64 * MIB, quiet=0.1)
            server.flood(server.frame(BINARY, b"x" * 1000), limit=64 * MIB, quiet=0.1)
        assert proxy.rss - before < 16 * 2 * (128 + 8) * 1024 + MIB
    finally:
        for one in opened:
            one.__exit__(None, None, None)
