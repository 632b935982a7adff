"""Every kind of listener before every kind of upstream: TCP, TLS, IPv6, Unix sockets, several."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from support import peers
from support.clients import Ask, Websockets
from support.frames import TEXT
from support.proxy import Proxy
from support.raw import Upstream, connect, request, switching, tunnel
from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import unix_connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.certificates import Certificates
    from support.clients import Client
    from support.loops import LoopThread


def ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


needs_ipv6 = pytest.mark.skipif(not ipv6(), reason="needs IPv6 on the loopback interface")


def echoes(client: Client) -> None:
    for message in ("hello", b"\x00\xff" * 100_000, "grüße" * 10_000):
        client.send(message)
        assert client.receive() == message
    client.ping(b"there?")


@contextmanager
def opened(proxy: Proxy, loop: LoopThread, authority: Path | None = None) -> Iterator[Client]:
    with Websockets(Ask(proxy.url("/"), authority=authority), loop) as client:
        yield client


# -- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls_proxy(loop: LoopThread, certificates: Certificates) -> Iterator[Proxy]:
    with (
        peers.serving(loop, peers.websockets_echo()) as address,
        Proxy(address, listen=("wss://127.0.0.1:0",), flags=certificates.flags) as proxy,
    ):
        yield proxy


def test_a_tls_listener_serves_every_client(
    tls_proxy: Proxy, certificates: Certificates, open_client: Callable[..., Client]
) -> None:
    assert tls_proxy.url().startswith("wss://")
    with open_client(tls_proxy.url("/"), authority=certificates.authority) as client:
        for message in ("hello", b"\x00\xff" * 500_000):
            client.send(message)
            assert client.receive() == message
        client.send("close 3000 bye")
        assert client.closed() == (3000, "bye")


def test_the_upstream_hears_that_the_client_came_by_tls(
    tls_proxy: Proxy, loop: LoopThread, certificates: Certificates
) -> None:
    with opened(tls_proxy, loop, certificates.authority) as client:
        client.send("head")
        assert '["X-Forwarded-Proto", "https"]' in client.receive()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken_with_alpn(
    tls_proxy: Proxy, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    context = certificates.client()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(tls_proxy) as client:
        client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        client.send(request("/"))
        assert client.read_head().status == 101
        client.send_text("hello")
        assert client.read_message() == b"hello"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(tls_proxy: Proxy, certificates: Certificates) -> None:
    context = certificates.client()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    refusal = pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|EOF")
    with connect(tls_proxy) as client, refusal:
        context.wrap_socket(client.sock, server_hostname="localhost")


def test_listeners_of_both_kinds_serve_side_by_side(
    loop: LoopThread, certificates: Certificates
) -> None:
    with (
        peers.serving(loop, peers.websockets_echo()) as address,
        Proxy(
            address, listen=("127.0.0.1:0", "wss://127.0.0.1:0"), flags=certificates.flags
        ) as proxy,
    ):
        assert [url.split(":")[0] for url in proxy.addresses] == ["ws", "wss"]
        for listener in (0, 1):
            ask = Ask(proxy.url("/", listener), authority=certificates.authority)
            with Websockets(ask, loop) as client:
                echoes(client)


def test_a_tls_upstream_is_verified(loop: LoopThread, certificates: Certificates) -> None:
    echo = peers.websockets_echo(tls=certificates.server())
    with peers.serving(loop, echo) as address:
        trusting = {"upstreams[0].tls_ca": certificates.authority}
        with Proxy(address, settings=trusting) as proxy, opened(proxy, loop) as client:
            echoes(client)
        with Proxy(address) as proxy, connect(proxy) as client:
            client.send(request())
            assert client.read_head().status == 502
        careless = {"upstreams[0].tls_verify": "false"}
        with Proxy(address, settings=careless) as proxy, opened(proxy, loop) as client:
            echoes(client)


def test_a_tls_upstream_of_another_name_is_refused(
    loop: LoopThread, certificates: Certificates
) -> None:
    echo = peers.websockets_echo(tls=certificates.server())
    trusting = {
        "upstreams[0].tls_ca": certificates.authority,
        "upstreams[0].tls_server_name": "other.example",
    }
    with (
        peers.serving(loop, echo) as address,
        Proxy(address, settings=trusting) as proxy,
        connect(proxy) as client,
    ):
        client.send(request())
        assert client.read_head().status == 502


def test_tls_on_both_sides(loop: LoopThread, certificates: Certificates) -> None:
    echo = peers.websockets_echo(tls=certificates.server())
    with (
        peers.serving(loop, echo) as address,
        Proxy(
            address,
            listen=("wss://127.0.0.1:0",),
            flags=certificates.flags,
            settings={"upstreams[0].tls_ca": certificates.authority},
        ) as proxy,
        opened(proxy, loop, certificates.authority) as client,
    ):
        echoes(client)


def test_a_plain_upstream_where_tls_was_expected_is_a_502(certificates: Certificates) -> None:
    with Upstream() as upstream:
        settings = {"upstreams[0].tls_ca": certificates.authority}
        proxied = Proxy(f"wss://{upstream.address}", settings=settings)
        with proxied as proxy, connect(proxy) as client:
            client.send(request())
            with upstream.accept() as server:
                assert server.receive()[:1] == b"\x16"  # nothing but the TLS hello
                server.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            assert client.read_head().status == 502


# -- addresses ----------------------------------------------------------------------------------


@needs_ipv6
def test_ipv6_on_both_sides(loop: LoopThread) -> None:
    with (
        peers.serving(loop, peers.websockets_echo("::1")) as address,
        Proxy(address, listen=("[::1]:0",)) as proxy,
        opened(proxy, loop) as client,
    ):
        assert proxy.url().startswith("ws://[::1]:")
        echoes(client)
        client.send("head")
        assert '["X-Forwarded-For", "::1"]' in client.receive()


def test_unix_sockets_on_both_sides(loop: LoopThread, tmp_path: Path) -> None:
    with (
        peers.serving(loop, peers.websockets_echo(unix=tmp_path / "up")) as address,
        Proxy(address, listen=(f"unix:{tmp_path}/down",)) as proxy,
    ):
        assert "unix:" in proxy.addresses[0]
        with unix_connect(str(tmp_path / "down"), "ws://example.com/", max_size=None) as client:
            client.send("hello" * 100_000)
            assert client.recv() == "hello" * 100_000
    assert not (tmp_path / "down").exists()


def test_a_host_name_is_resolved(loop: LoopThread) -> None:
    with peers.serving(loop, peers.websockets_echo()) as address:
        port = address.rpartition(":")[2]
        with Proxy(f"localhost:{port}") as proxy, opened(proxy, loop) as client:
            echoes(client)


# -- several upstreams --------------------------------------------------------------------------


def test_upstreams_take_turns() -> None:
    with (
        Upstream() as one,
        Upstream() as two,
        Upstream() as three,
        Proxy(one, two, three) as proxy,
    ):
        for upstream in (one, two, three) * 3:
            with tunnel(proxy, upstream):
                for other in (one, two, three):
                    other.expect_nobody()


def test_weights_are_kept() -> None:
    settings = {"upstreams[0].servers[0].weight": 3}
    with (
        Upstream() as one,
        Upstream() as two,
        Proxy(one, two, settings=settings) as proxy,
        ExitStack() as stack,
    ):
        clients = [stack.enter_context(connect(proxy)) for _ in range(8)]
        for client in clients:
            client.send(request())
        for upstream, share in ((one, 6), (two, 2)):
            for _ in range(share):
                server = stack.enter_context(upstream.accept())
                server.read_head()
                server.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        assert [client.read_head().status for client in clients] == [503] * 8
        one.expect_nobody()
        two.expect_nobody()


def test_a_dead_upstream_is_skipped_and_all_dead_is_a_502(loop: LoopThread) -> None:
    with Upstream() as gone:
        dead = gone.address
    with Upstream() as gone:
        also_dead = gone.address
    with (
        peers.serving(loop, peers.websockets_echo()) as address,
        Proxy(dead, address, also_dead) as proxy,
    ):
        for _ in range(6):
            with opened(proxy, loop) as client:
                echoes(client)
    with Proxy(dead, also_dead) as proxy, pytest.raises(InvalidStatus) as refusal:
        loop.run(_websockets_get(proxy.url()))
    assert refusal.value.response.status_code == 502


async def _websockets_get(url: str) -> None:
    await websockets_connect(url, proxy=None)


# -- the example of the specification -----------------------------------------------------------


def test_the_example_of_rfc_6455_section_1_3() -> None:
    """To the letter, from the client's request to the server's answer."""
    with Upstream() as upstream, Proxy(upstream) as proxy, connect(proxy) as client:
        client.send(
            b"GET /chat HTTP/1.1\r\n"
            b"Host: server.example.com\r\n"
            b"Upgrade: websocket\r\n"
            b"Connection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Origin: http://example.com\r\n"
            b"Sec-WebSocket-Protocol: chat, superchat\r\n"
            b"Sec-WebSocket-Version: 13\r\n"
            b"\r\n"
        )
        with upstream.accept() as server:
            head = server.read_head()
            assert head.start == "GET /chat HTTP/1.1"
            assert head["Host"] == "server.example.com"
            assert head["Upgrade"] == "websocket"
            assert head["Connection"] == "Upgrade"
            assert head["Sec-WebSocket-Key"] == "dGhlIHNhbXBsZSBub25jZQ=="
            assert head["Origin"] == "http://example.com"
            assert head["Sec-WebSocket-Protocol"] == "chat, superchat"
            assert head["Sec-WebSocket-Version"] == "13"
            server.send(
                b"HTTP/1.1 101 Switching Protocols\r\n"
                b"Upgrade: websocket\r\n"
                b"Connection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                b"Sec-WebSocket-Protocol: chat\r\n"
                b"\r\n"
            )
            answer = client.read_head()
            assert answer.start == "HTTP/1.1 101 Switching Protocols"
            assert answer["Upgrade"] == "websocket"
            assert answer["Connection"] == "Upgrade"
            assert answer["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            assert answer["Sec-WebSocket-Protocol"] == "chat"
            # And section 5.7's frames: a masked and an unmasked "Hello".
            client.send(bytes.fromhex("818537fa213d7f9f4d5158"))
            assert server.read(11) == bytes.fromhex("818537fa213d7f9f4d5158")
            server.send(bytes.fromhex("810548656c6c6f"))
            assert client.read(7) == bytes.fromhex("810548656c6c6f")


def test_frames_of_both_legs_of_tls_stay_whole(certificates: Certificates) -> None:
    """Many small frames and a large one through TLS, read by hand."""
    with (
        Upstream() as upstream,
        Proxy(upstream, listen=("wss://127.0.0.1:0",), flags=certificates.flags) as proxy,
        connect(proxy) as client,
    ):
        client.sock = certificates.client().wrap_socket(client.sock, server_hostname="localhost")
        client.send(request())
        with upstream.accept() as server:
            server.read_head()
            server.send(switching())
            assert client.read_head().status == 101
            for size in (0, 1, 125, 126, 16_384, 65_536, 300_000):
                client.send_frame(TEXT, b"u" * size)
                assert server.read_message() == b"u" * size
                server.send_frame(TEXT, b"d" * size)
                assert client.read_message() == b"d" * size
