"""How tunnels end: politely, by half, abruptly. The last bytes before a close are never lost."""

from __future__ import annotations

import pytest
from support.frames import BINARY, CLOSE, PING, PONG, TEXT, Frame, close_payload
from support.proxy import Proxy
from support.raw import Upstream, Wire, meanwhile, tunnel
from support.waiting import SOON, until

MIB = 1 << 20
abruptly = pytest.mark.parametrize("end", [Wire.close, Wire.reset], ids=["FIN", "RST"])


# -- politely -----------------------------------------------------------------------------------


def test_a_closing_handshake_of_the_client_is_let_finish(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (client, server):
        client.send_close(3000, "bye")
        assert server.read_close() == (3000, "bye")
        server.send_text("one more thing")
        server.send_close(3000, "bye")
        server.close()
        assert client.read_message() == b"one more thing"
        assert client.read_close() == (3000, "bye")
        client.expect_end()
        port = client.port
        client.close()
        record = proxy.event("tunnel_closed", port=port)
        assert (record["ended_by"], record["code"], record["reason"]) == ("client", 3000, "bye")


def test_a_closing_handshake_of_the_upstream_is_let_finish(
    proxy: Proxy, upstream: Upstream
) -> None:
    with tunnel(proxy, upstream) as (client, server):
        server.send_close(1011, "oops")
        assert client.read_close() == (1011, "oops")
        client.send_text("one more thing")
        client.send_close(1011)
        assert server.read_message() == b"one more thing"
        assert server.read_close() == (1011, "")
        server.close()
        client.expect_end()
        port = client.port
        client.close()
        record = proxy.event("tunnel_closed", port=port)
        assert (record["ended_by"], record["code"], record["reason"]) == ("upstream", 1011, "oops")


def test_the_log_counts_what_went_each_way(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (client, server):
        opened = proxy.event("tunnel_opened", port=client.port)
        client.send_text("hello")
        client.send_frame(BINARY, b"part one, ", fin=False)
        client.send_frame(0, b"part two")
        assert [server.read_frame().payload for _ in range(3)] == [
            b"hello",
            b"part one, ",
            b"part two",
        ]
        server.send_text("x" * 1000)
        assert client.read_message() == b"x" * 1000
        client.send_close(1000)
        server.read_close()
        server.send_close(1000)
        client.read_close()
        server.close()
        client.expect_end()
        client.close()
        closed = proxy.event("tunnel_closed", id=opened["id"])
        assert closed["id"] == opened["id"]
        assert (closed["messages_in"], closed["messages_out"]) == (2, 1)
        assert closed["bytes_in"] >= len("hellopart one, part two")
        assert closed["bytes_out"] >= 1000
        assert 0 <= closed["duration"] < 60


def test_a_close_that_nobody_answers_has_a_deadline(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"timeouts.close": "0.5"}) as proxy:
        with tunnel(proxy, upstream) as (client, server):
            client.send_close(1000)
            assert server.read_close() == (1000, "")
            for wire in (client, server):
                wire.sock.settimeout(SOON)
            client.expect_end()
            server.expect_end()
        with tunnel(proxy, upstream) as (client, server):
            server.send_close(1001, "going")
            assert client.read_close() == (1001, "going")
            for wire in (client, server):
                wire.sock.settimeout(SOON)
            server.expect_end()
            client.expect_end()


def test_nothing_follows_a_close_frame(proxy: Proxy, upstream: Upstream) -> None:
    """RFC 6455 section 5.5.1: no data after a close, and none is passed on."""
    with tunnel(proxy, upstream) as (client, server):
        client.send(client.frame(CLOSE, close_payload(1000)) + client.frame(TEXT, b"never"))
        assert server.read_close() == (1000, "")
        server.send_close(1000)
        assert client.read_close() == (1000, "")
        client.close()
        assert server.read_to_end() == []


# -- abruptly -----------------------------------------------------------------------------------


@abruptly
def test_an_upstream_lost_in_mid_session_is_a_1014(
    proxy: Proxy, upstream: Upstream, end: object
) -> None:
    with tunnel(proxy, upstream) as (client, server):
        server.send_text("last words")
        server.arrive()
        assert client.read_message() == b"last words"
        end(server)  # type: ignore[operator]
        client.sock.settimeout(SOON)
        code, reason = client.read_close()
        assert (code, bool(reason)) == (1014, True)
        client.send_close(1014)
        client.expect_end()
        port = client.port
        client.close()
        assert proxy.event("tunnel_closed", port=port)["ended_by"] == "upstream_lost"


@abruptly
def test_an_upstream_lost_inside_a_message_is_a_1014_between_its_fragments(
    proxy: Proxy, upstream: Upstream, end: object
) -> None:
    with tunnel(proxy, upstream) as (client, server):
        server.send_frame(TEXT, b"begun", fin=False)
        assert client.read_frame().payload == b"begun"
        end(server)  # type: ignore[operator]
        assert client.read_close()[0] == 1014


@abruptly
def test_an_upstream_lost_inside_a_frame_adds_no_garbage_to_it(
    proxy: Proxy, upstream: Upstream, end: object
) -> None:
    with tunnel(proxy, upstream) as (client, server):
        begun = server.header(TEXT, 100) + b"half of it"
        server.send(begun)
        assert client.read(len(begun)) == begun
        end(server)  # type: ignore[operator]
        client.expect_end()


@abruptly
def test_a_client_that_vanishes_frees_the_upstream(
    proxy: Proxy, upstream: Upstream, end: object
) -> None:
    with tunnel(proxy, upstream) as (client, server):
        port = client.port
        client.send_text("last words")
        assert server.read_message() == b"last words"
        end(client)  # type: ignore[operator]
        server.sock.settimeout(SOON)
        assert [frame for frame in server.read_to_end() if frame.opcode != CLOSE] == []
        server.close()
        record = proxy.event("tunnel_closed", port=port)
        assert record["ended_by"] == "client_lost"


@abruptly
def test_a_client_that_vanishes_inside_a_frame_frees_the_upstream(
    proxy: Proxy, upstream: Upstream, end: object
) -> None:
    with tunnel(proxy, upstream) as (client, server):
        begun = client.header(TEXT, 100) + b"half of it"
        client.send(begun)
        assert server.read(len(begun)) == begun
        end(client)  # type: ignore[operator]
        server.sock.settimeout(SOON)
        server.expect_end()


@abruptly
def test_a_client_that_sends_and_vanishes_is_still_heard(
    proxy: Proxy, upstream: Upstream, end: object
) -> None:
    """What came before a FIN arrives; a RST may destroy it, but never in the middle."""
    with tunnel(proxy, upstream) as (client, server):
        for number in range(100):
            client.send_text(f"message {number}")
        client.arrive()
        end(client)  # type: ignore[operator]
        heard = [frame.payload for frame in server.read_to_end() if frame.opcode == TEXT]
        sent = [b"message %d" % number for number in range(100)]
        assert heard == sent if end is Wire.close else heard == sent[: len(heard)]


# -- by half ------------------------------------------------------------------------------------


def test_after_a_half_close_the_answer_still_arrives(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (client, server):
        client.send_text("question")
        client.half_close()
        assert server.read_message() == b"question"
        server.send_text("answer")
        server.send_close(1000)
        server.close()
        assert client.read_message() == b"answer"
        assert client.read_close() == (1000, "")
        client.expect_end()


def test_a_half_closed_tunnel_has_a_deadline(upstream: Upstream) -> None:
    settings = {"timeouts.linger": "0.5", "timeouts.close": "0.5"}
    with Proxy(upstream, settings=settings) as proxy, tunnel(proxy, upstream) as (client, server):
        client.half_close()
        for wire in (server, client):
            wire.sock.settimeout(SOON)
            assert {frame.opcode for frame in wire.read_to_end()} <= {CLOSE}


@pytest.mark.parametrize("direction", ["from client", "from upstream"])
def test_a_side_that_talks_to_nobody_is_let_go(upstream: Upstream, direction: str) -> None:
    """It takes no notice of a close frame, nor of the end, and goes on sending."""
    settings = {"timeouts.linger": "0.5", "timeouts.close": "0.5"}
    with Proxy(upstream, settings=settings) as proxy, tunnel(proxy, upstream) as (client, server):
        talker, leaver = (client, server) if direction == "from client" else (server, client)
        leaver.reset()
        with pytest.raises(ConnectionError):
            until(lambda: talker.send_text("are you there?"))
        ended_by = "upstream_lost" if talker is client else "client_lost"
        assert proxy.event("tunnel_closed")["ended_by"] == ended_by


# -- the last bytes -----------------------------------------------------------------------------


def test_a_client_that_reads_late_gets_everything(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream, small=True) as (client, server):
        message = server.frame(BINARY, bytes(range(250)) * 4)
        sent = server.flood(message, limit=4 * MIB)
        whole = -(-sent // len(message))
        rest = (message * whole)[sent:] + server.frame(CLOSE, close_payload(1000, "done"))

        def finish() -> None:
            server.send(rest)
            server.close()

        with meanwhile(finish):
            for _ in range(whole):
                assert client.read_message() == message[4:]
            assert client.read_close() == (1000, "done")
            client.expect_end()


def test_the_last_words_survive_a_client_that_keeps_sending(
    proxy: Proxy, upstream: Upstream
) -> None:
    """The upstream closes at once; writing to it fails; what it had sent is still delivered."""
    message = bytes(range(256)) * 16
    with tunnel(proxy, upstream, small=True) as (client, server):
        for _ in range(64):
            server.send_frame(BINARY, message)
        server.send_close(1000, "enough")
        server.arrive()
        server.close()
        for number in range(200):
            client.send_text(f"are you there? {number}")
        for _ in range(64):
            assert client.read_message() == message
        assert client.read_close() == (1000, "enough")


def test_the_last_words_survive_when_the_upstream_never_read_the_flood(
    proxy: Proxy, upstream: Upstream
) -> None:
    """Closing with unread bytes is a RST on the upstream's leg, with its last words before it."""
    message = bytes(range(256)) * 16
    with tunnel(proxy, upstream) as (client, server):
        client.flood(client.frame(BINARY, b"x" * 1000), limit=8 * MIB)
        for _ in range(8):
            server.send_frame(BINARY, message)
        server.send_close(1000, "enough")
        server.arrive()
        for _ in range(8):
            assert client.read_message() == message
        server.close()
        assert client.read_close() == (1000, "enough")


def test_a_refusal_survives_a_client_that_keeps_sending(proxy: Proxy, upstream: Upstream) -> None:
    """Closing on a sender destroys the answer in flight, so the proxy lingers."""
    with tunnel(proxy, upstream) as (client, server):
        bad = client.frame(0xB, b"bad")
        client.send(bad + client.frame(BINARY, b"x" * 50_000) * 20)
        assert client.read_close()[0] == 1002
        assert server.read_close()[0] == 1002


# -- in silence ---------------------------------------------------------------------------------


def test_a_side_that_stops_answering_pings_is_given_up(upstream: Upstream) -> None:
    settings = {"timeouts.ping": "1", "timeouts.linger": "0.2"}
    with (
        Proxy(upstream, settings=settings) as proxy,
        tunnel(proxy, upstream) as (client, server),
    ):
        assert client.read_frame() == Frame(PING, b"fastws")
        client.send_frame(PONG, b"fastws")
        client.send_text("here")
        frames = [server.read_frame()]
        while frames[-1].opcode != CLOSE:
            if frames[-1].opcode == PING:
                server.send_frame(PONG, frames[-1].payload)
            frames.append(server.read_frame())
        assert {frame.opcode for frame in frames} == {PING, TEXT, CLOSE}
        assert frames[-1].close == (1001, "client left pings unanswered")
        server.send_close(1001)
        closed = proxy.event("tunnel_closed", port=client.port)
        assert (closed["ended_by"], closed["code"]) == ("unanswered", 1001)
        # Never asked to repeat itself: two pings, the close frame, the end.
        tail = client.read_to_end()
        assert [frame.opcode for frame in tail][-3:] == [PING, PING, CLOSE]
