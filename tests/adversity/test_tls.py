"""Connections to a listener for TLS on which there is none, or not yet."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.proxy import Proxy
from support.raw import Upstream, Wire, connect, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.certificates import Certificates


@contextmanager
def secure(upstream: Upstream, certificates: Certificates, **settings: object) -> Iterator[Proxy]:
    with Proxy(
        upstream,
        listen=("wss://127.0.0.1:0",),
        settings={key.replace("__", "."): value for key, value in settings.items()},
        flags=(*certificates.flags, "--log-level", "debug"),
    ) as proxy:
        yield proxy


@contextmanager
def arrive(proxy: Proxy, tls: ssl.SSLContext) -> Iterator[Wire]:
    with connect(proxy) as wire, tls.wrap_socket(wire.sock, server_hostname="localhost") as sock:
        yield Wire(sock, key=wire.key)


def test_one_that_says_nothing_counts_as_a_connection(
    upstream: Upstream, certificates: Certificates
) -> None:
    tls = certificates.client()
    with secure(upstream, certificates, limits__connections=1) as proxy:
        with connect(proxy), arrive(proxy, tls) as client:
            client.send(request())
            assert client.read_head().status == 503
        proxy.event("tls_failed", reason="The connection broke: it ended.")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_is_logged_why_there_is_no_tls(
    upstream: Upstream, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    stranger = ssl.create_default_context()
    stranger.minimum_version = stranger.maximum_version = version
    with secure(upstream, certificates) as proxy:
        with connect(proxy) as client:
            client.send(b"hello, who are you?\r\n")
            failed = proxy.event("tls_failed", port=client.port)
        assert failed["reason"].startswith("TLS failed: ")
        assert failed["level"] == "debug"
        assert failed["listener"] == "wss://127.0.0.1:0"
        with connect(proxy) as client:
            port = client.port
            with pytest.raises(ssl.SSLCertVerificationError):
                stranger.wrap_socket(client.sock, server_hostname="localhost")
            failed = proxy.event("tls_failed", port=port)
        assert failed["reason"] == "TLS failed: tlsv1 alert unknown ca."


def test_plain_http_is_answered_and_nobody_is_asked(
    upstream: Upstream, certificates: Certificates
) -> None:
    with secure(upstream, certificates) as proxy:
        with connect(proxy) as client:
            client.send(request() + request())
            answer = client.read_head()
            assert answer.status == 400
            assert b"this listener speaks TLS" in client.read_all()
        refused = proxy.event("handshake_refused", status=400)
        assert "this listener speaks TLS" in refused["reason"]
        with arrive(proxy, certificates.client()) as client:
            client.send(request("/over-tls"))
            with upstream.accept() as server:
                assert server.read_head().target == "/over-tls"


def test_nobody_waits_for_those_who_say_nothing_when_it_ends(
    upstream: Upstream, certificates: Certificates
) -> None:
    with secure(upstream, certificates) as proxy, connect(proxy) as silent:
        with connect(proxy) as half:
            half.send(b"\x16\x03\x01\x02\x00half")
            half.arrive()
            with arrive(proxy, certificates.client()):
                assert proxy.stop() == 0
        silent.expect_end()
