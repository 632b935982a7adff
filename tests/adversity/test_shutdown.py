"""Starting badly and stopping well."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import suppress

import pytest
from support.frames import TEXT
from support.proxy import FASTWS, Proxy
from support.raw import Upstream, Wire, connect, request, tunnel
from support.waiting import PATIENCE, SOON

# Nothing here waits for it.
ENDLESS = {"drain.timeout": "3600"}


def take_leave(client: Wire, server: Wire) -> None:
    """Answer the proxy's close frames: a server then ends its connection, a client waits for it."""
    client.send_close(1001)
    server.send_close(1001)
    server.close()
    client.expect_end()
    client.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_tunnel_gets_a_1001_and_the_status_is_0(
    upstream: Upstream, number: signal.Signals
) -> None:
    with (
        Proxy(upstream, settings=ENDLESS) as proxy,
        tunnel(proxy, upstream) as (client, server),
        tunnel(proxy, upstream) as (other_client, other_server),
    ):
        proxy.signal(number)
        for wire in (client, server, other_client, other_server):
            assert wire.read_close()[0] == 1001
        take_leave(client, server)
        take_leave(other_client, other_server)
        assert proxy.wait() == 0
        assert len(proxy.matching("tunnel_closed", ended_by="shutdown", code=1001)) == 2


def test_nobody_is_let_in_while_it_stops(upstream: Upstream) -> None:
    with Proxy(upstream, settings=ENDLESS) as proxy, tunnel(proxy, upstream) as (client, server):
        proxy.signal(signal.SIGTERM)
        assert client.read_close()[0] == 1001
        with pytest.raises(ConnectionError):
            connect(proxy)
        assert server.read_close()[0] == 1001
        take_leave(client, server)
        assert proxy.wait() == 0


def test_a_frame_that_has_begun_is_finished_before_the_close(upstream: Upstream) -> None:
    with Proxy(upstream, settings=ENDLESS) as proxy, tunnel(proxy, upstream) as (client, server):
        begun = server.header(TEXT, 10) + b"hello"
        server.send(begun)
        assert client.read(len(begun)) == begun
        proxy.signal(signal.SIGTERM)
        assert server.read_close()[0] == 1001  # this direction was between frames
        client.expect_silence()
        server.send(b"world")
        assert client.read(5) == b"world"
        assert client.read_close()[0] == 1001
        take_leave(client, server)
        assert proxy.wait() == 0


def test_the_fragments_of_a_message_need_not_be_waited_for(upstream: Upstream) -> None:
    with Proxy(upstream, settings=ENDLESS) as proxy, tunnel(proxy, upstream) as (client, server):
        client.send_frame(TEXT, b"begun", fin=False)
        assert server.read_frame().payload == b"begun"
        proxy.signal(signal.SIGTERM)
        assert server.read_close()[0] == 1001
        assert client.read_close()[0] == 1001
        take_leave(client, server)
        assert proxy.wait() == 0


@pytest.mark.parametrize("stuck", ["no reply", "inside a frame", "not reading"])
def test_a_peer_that_does_not_answer_is_left_behind(upstream: Upstream, stuck: str) -> None:
    with (
        Proxy(upstream, settings={"drain.timeout": "1"}) as proxy,
        tunnel(proxy, upstream) as (client, server),
    ):
        if stuck == "inside a frame":
            server.send(server.header(TEXT, 10) + b"hello")
            client.read(7)
        elif stuck == "not reading":
            server.flood(server.frame(TEXT, b"x" * 1000))
        start = time.monotonic()
        proxy.signal(signal.SIGTERM)
        assert proxy.wait() == 0
        assert time.monotonic() - start < SOON


def test_a_handshake_under_way_does_not_hold_it_up(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings={"drain.timeout": "1"}) as proxy,
        connect(proxy) as silent,
        connect(proxy) as client,
    ):
        silent.send(request()[:20])
        client.send(request())
        with upstream.accept() as server:
            server.read_head()
            start = time.monotonic()
            proxy.signal(signal.SIGTERM)
            assert proxy.wait() == 0
            assert time.monotonic() - start < SOON


def test_with_no_tunnels_it_stops_at_once(upstream: Upstream) -> None:
    with Proxy(upstream, settings=ENDLESS) as proxy:
        assert proxy.stop() == 0


def test_a_second_signal_does_not_wait(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings=ENDLESS) as proxy,
        tunnel(proxy, upstream) as (client, server),
    ):
        proxy.signal(signal.SIGTERM)
        assert client.read_close()[0] == server.read_close()[0] == 1001
        proxy.signal(signal.SIGTERM)
        proxy.wait()


def ended(proxy: Proxy) -> bool:
    with suppress(subprocess.TimeoutExpired):
        proxy.process.wait(0.0005)
    return proxy.process.returncode is not None


def test_signals_up_to_the_very_end_do_no_harm(upstream: Upstream) -> None:
    with Proxy(upstream, settings=ENDLESS) as proxy:
        while not ended(proxy):
            proxy.signal(signal.SIGTERM)
        assert proxy.wait() == 0


def test_the_last_message_before_the_stop_arrives(upstream: Upstream) -> None:
    with Proxy(upstream, settings=ENDLESS) as proxy, tunnel(proxy, upstream) as (client, server):
        for number in range(1000):
            server.send_text(f"message {number}")
        server.arrive()
        proxy.signal(signal.SIGTERM)
        for number in range(1000):
            assert client.read_message() == b"message %d" % number
        assert client.read_close()[0] == 1001
        assert server.read_close()[0] == 1001
        take_leave(client, server)
        assert proxy.wait() == 0


# -- starting badly -----------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that is expected to end by itself."""
    return subprocess.run(
        [FASTWS, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def one_clear_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode != 0
    assert result.stdout == ""
    text = result.stderr.strip()
    assert "Traceback" not in text
    assert len(text.splitlines()) == 1, text
    return text


def test_a_port_in_use_is_one_clear_line(upstream: Upstream) -> None:
    port = upstream.address.rpartition(":")[2]
    text = one_clear_line(run("serve", "--listen", upstream.address, "--upstream", "127.0.0.1:9"))
    assert port in text


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--set", "timeouts.haed=5"), "timeouts.haed"),
        (("--set", "timeouts.head=soon"), "timeouts.head"),
        (("--listen", "127.0.0.1:99999"), "99999"),
        (("--listen", "ftp://127.0.0.1:0"), "ftp"),
        (("--listen", "wss://127.0.0.1:0"), "tls"),
        (
            ("--listen", "wss://127.0.0.1:0", "--tls-cert", "/nowhere.pem", "--tls-key", "/n"),
            "nowhere",
        ),
        (("/nowhere.toml",), "nowhere"),
    ],
)
def test_a_bad_setting_is_one_clear_line_that_names_it(
    arguments: tuple[str, ...], word: str
) -> None:
    upstream = () if arguments[0] == "/nowhere.toml" else ("--upstream", "127.0.0.1:9")
    result = run("serve", *arguments, *upstream)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert word in result.stderr.lower()
