from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from support.certificates import shake_hands
from support.upstreams import Asker

from fastws.config import model
from fastws.config.addresses import read_server_address
from fastws.config.balance import read_balance
from fastws.upstream.balancers.consistent_hash import ConsistentHash
from fastws.upstream.balancers.hash import Hash
from fastws.upstream.balancers.ip_hash import IpHash
from fastws.upstream.balancers.least_conn import LeastConn
from fastws.upstream.balancers.random import Random, RandomTwo
from fastws.upstream.balancers.round_robin import RoundRobin
from fastws.upstream.balancers.sticky import Sticky
from fastws.upstream.group import Upstream

if TYPE_CHECKING:
    from pathlib import Path

    from support.certificates import Certificates

    from fastws.upstream.peer import Peer

CLIENT = Asker()


def group(*addresses: str, **more: object) -> Upstream:
    servers = tuple(model.Server(address=read_server_address(address)) for address in addresses)
    return Upstream(model.Upstream(name="u", servers=servers, **more))  # type: ignore[arg-type]


def context(**more: object) -> ssl.SSLContext:
    made = group("wss://localhost:443", **more).peers[0].tls
    assert made is not None
    return made


def test_the_config_becomes_peers() -> None:
    servers = (
        model.Server(address=model.Address(host="a.test", port=1), weight=3),
        model.Server(address=model.Address(path="/run/b.sock")),
    )
    upstream = Upstream(model.Upstream(name="chat", servers=servers))
    assert upstream.name == "chat"
    assert [(str(peer), peer.weight, peer.tls) for peer in upstream.peers] == [
        ("a.test:1", 3, None),
        ("unix:/run/b.sock", 1, None),
    ]


def leased(upstream: Upstream, *tried: Peer) -> Peer | None:
    lease = upstream.lease(tried, CLIENT)
    return lease and lease.peer


def test_leases_are_balanced() -> None:
    upstream = group("127.0.0.1:1", "127.0.0.1:2")
    one, two = upstream.peers
    assert [leased(upstream) for _ in range(4)] == [one, two, one, two]
    assert leased(upstream, one, two) is None


@pytest.mark.parametrize(
    ("balance", "kind"),
    [
        ("round_robin", RoundRobin),
        ("least_conn", LeastConn),
        ("ip_hash", IpHash),
        ("hash $uri", Hash),
        ("hash $uri consistent", ConsistentHash),
        ("random", Random),
        ("random two", RandomTwo),
        ("sticky cookie a", Sticky),
    ],
)
def test_every_method_has_its_balancer(balance: str, kind: type) -> None:
    upstream = group("127.0.0.1:1", "127.0.0.1:2", balance=read_balance(balance))
    assert type(upstream._balancer) is kind
    assert {leased(upstream, peer) for peer in upstream.peers} == set(upstream.peers)
    assert leased(upstream, *upstream.peers) is None


def test_a_server_that_is_alone_never_loses_trust() -> None:
    upstream = group("127.0.0.1:1")
    for _ in range(3):
        lease = upstream.lease((), CLIENT)
        assert lease
        lease.failed()


def test_a_backup_is_for_bad_times() -> None:
    servers = (
        model.Server(address=model.Address(host="a", port=1)),
        model.Server(address=model.Address(host="b", port=1), backup=True),
    )
    upstream = Upstream(model.Upstream(name="u", servers=servers))
    a, b = upstream.peers
    assert leased(upstream) is leased(upstream) is a
    lease = upstream.lease((), CLIENT)
    assert lease
    lease.failed()
    assert leased(upstream) is b


def test_only_a_sticky_upstream_adds_a_field() -> None:
    assert (plain := group("a.test:1")).fields(plain.peers[0]) == b""
    sticky = group("a.test:1", balance=read_balance("least_conn; sticky cookie id path=/"))
    line = sticky.fields(sticky.peers[0])
    assert line.startswith(b"Set-Cookie: id=")
    assert line.endswith(b"; path=/\r\n")


def test_only_tls_servers_have_a_context() -> None:
    plain, secret = group("127.0.0.1:1", "wss://127.0.0.1:2").peers
    assert plain.tls is None
    assert isinstance(secret.tls, ssl.SSLContext)


class TestVerification:
    def test_is_on_by_default(self) -> None:
        made = context()
        assert made.verify_mode is ssl.CERT_REQUIRED
        assert made.check_hostname

    def test_can_be_turned_off(self) -> None:
        made = context(tls_verify=False)
        assert made.verify_mode is ssl.CERT_NONE
        assert not made.check_hostname

    def test_refuses_a_stranger(self, certificates: Certificates) -> None:
        peer = group("wss://localhost:443").peers[0]
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(context(), certificates.server(), peer.server_name)

    def test_refuses_the_wrong_name(self, certificates: Certificates) -> None:
        ca = str(certificates.authority)
        peer = group("wss://localhost:443", tls_ca=ca, tls_server_name="other.test").peers[0]
        with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.test"):
            shake_hands(context(tls_ca=ca), certificates.server(), peer.server_name)

    def test_accepts_tls_ca(self, certificates: Certificates) -> None:
        ca = str(certificates.authority)
        peer = group("wss://localhost:443", tls_ca=ca).peers[0]
        near, _ = shake_hands(context(tls_ca=ca), certificates.server(), peer.server_name)
        assert near.getpeercert()

    def test_off_accepts_anyone(self, certificates: Certificates) -> None:
        peer = group("wss://localhost:443").peers[0]
        near, _ = shake_hands(context(tls_verify=False), certificates.server(), peer.server_name)
        assert near.version() == "TLSv1.3"


class TestProtocols:
    def test_http_1_1_is_offered_alone(self, certificates: Certificates) -> None:
        server = certificates.server()
        server.set_alpn_protocols(["h2", "http/1.1"])
        peer = group("wss://localhost:443").peers[0]
        near, far = shake_hands(context(tls_verify=False), server, peer.server_name)
        assert near.selected_alpn_protocol() == far.selected_alpn_protocol() == "http/1.1"

    def test_tls_1_2_is_the_least(self) -> None:
        assert context().minimum_version is ssl.TLSVersion.TLSv1_2

    def test_tls_1_2_is_enough(self, certificates: Certificates) -> None:
        server = certificates.server()
        server.maximum_version = ssl.TLSVersion.TLSv1_2
        peer = group("wss://localhost:443").peers[0]
        near, _ = shake_hands(context(tls_verify=False), server, peer.server_name)
        assert near.version() == "TLSv1.2"


class TestServerName:
    def test_is_the_host(self) -> None:
        assert group("wss://chat.test:443").peers[0].server_name == "chat.test"

    def test_can_be_set(self) -> None:
        peer = group("wss://10.0.0.1:443", tls_server_name="chat.test").peers[0]
        assert peer.server_name == "chat.test"

    def test_is_none_behind_a_unix_socket(self) -> None:
        assert group("wss://unix:/run/x.sock").peers[0].server_name is None


def test_an_unreadable_tls_ca_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        context(tls_ca=str(tmp_path / "gone.pem"))
