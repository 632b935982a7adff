"""Connections that begin with a PROXY header, and those that should."""

from __future__ import annotations

import ssl
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from support.proxy import Proxy
from support.raw import Upstream, Wire, connect, request, switching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.certificates import Certificates

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(
    "!H4B4BHH", 12, 192, 0, 2, 1, 198, 51, 100, 2, 50000, 443
)
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
PLAIN = b"GET /plain HTTP/1.1\r\nHost: example.com\r\n\r\n"


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def front(
    request: pytest.FixtureRequest,
    shared_upstream: Upstream,
    driver: str,
    certificates: Certificates,
) -> Iterator[tuple[Proxy, ssl.SSLContext | None]]:
    flags = ("--tls-cert", str(certificates.certificate), "--tls-key", str(certificates.key))
    settings = {"listeners[0].proxy_protocol": "true", "timeouts.head": 3}
    with Proxy(
        shared_upstream,
        listen=("wss://127.0.0.1:0" if request.param else "127.0.0.1:0",),
        settings=settings,
        flags=flags if request.param else (),
        driver=driver,
    ) as proxy:
        yield proxy, certificates.client() if request.param else None


@contextmanager
def arrive(
    front: tuple[Proxy, ssl.SSLContext | None], header: bytes, *, drip: bool = False
) -> Iterator[Wire]:
    """A client whose connection begins with a header, and goes on with TLS if it is spoken."""
    proxy, tls = front
    with connect(proxy) as wire:
        wire.drip(header) if drip else wire.send(header)
        if tls is None:
            yield wire
            return
        with tls.wrap_socket(wire.sock, server_hostname="localhost") as secret:
            yield Wire(secret, key=wire.key)


@pytest.mark.parametrize("drip", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_the_client_is_the_one_in_the_header(
    front: tuple[Proxy, ssl.SSLContext | None], upstream: Upstream, header: bytes, *, drip: bool
) -> None:
    with arrive(front, header, drip=drip) as client:
        client.send(request("/chat", "X-Forwarded-For: 203.0.113.9"))
        with upstream.accept() as server:
            head = server.read_head()
            assert head["X-Forwarded-For"] == "192.0.2.1"
            server.send(switching())
            assert client.read_head().status == 101
            client.send_text("hello")
            assert server.read_frame().payload == b"hello"
            front[0].event("tunnel_opened", client="192.0.2.1:50000")


def test_requests_may_come_together_with_the_header(
    front: tuple[Proxy, ssl.SSLContext | None], upstream: Upstream
) -> None:
    if front[1] is not None:
        pytest.skip("behind the header comes TLS")
    with connect(front[0]) as client:
        client.send(V2 + PLAIN + PLAIN)
        with upstream.accept() as server:
            for _ in range(2):
                assert server.read_head()["X-Forwarded-For"] == "192.0.2.1"
                server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                assert client.read_head().status == 200


def test_tls_may_come_together_with_the_header(
    front: tuple[Proxy, ssl.SSLContext | None], upstream: Upstream
) -> None:
    if front[1] is None:
        pytest.skip("behind the header comes HTTP")
    to_us, from_us = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = front[1].wrap_bio(to_us, from_us, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with connect(front[0]) as client:
        client.send(V1 + from_us.read())
        while to_us.write(client.receive()):
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
        tls.write(PLAIN)
        client.send(from_us.read())
        with upstream.accept() as server:
            assert server.read_head()["X-Forwarded-For"] == "192.0.2.1"


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"], ids=["local", "unknown"])
def test_who_has_no_address_in_the_header_keeps_its_own(
    front: tuple[Proxy, ssl.SSLContext | None], upstream: Upstream, header: bytes
) -> None:
    with arrive(front, header) as client:
        client.send(PLAIN)
        with upstream.accept() as server:
            assert server.read_head()["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize(
    "data", [PLAIN, b"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", b"\x16\x03\x01\x02\0\x01"], ids=repr
)
def test_what_begins_otherwise_is_hung_up_on(
    front: tuple[Proxy, ssl.SSLContext | None], upstream: Upstream, data: bytes
) -> None:
    with connect(front[0]) as client:
        client.send(data)
        client.expect_end()
        refused = front[0].event("handshake_refused", port=client.port)
    assert refused["status"] == 444
    assert "PROXY header" in refused["reason"]
    upstream.expect_nobody()


def test_a_header_that_does_not_come_is_not_waited_for(
    front: tuple[Proxy, ssl.SSLContext | None],
) -> None:
    with connect(front[0]) as client:
        client.send(V1[:20])
        client.expect_end()
        refused = front[0].event("handshake_refused", port=client.port)
    assert refused["reason"] == "The PROXY header did not arrive within 3 s."
