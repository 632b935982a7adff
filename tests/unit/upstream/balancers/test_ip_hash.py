from __future__ import annotations

import ipaddress

import pytest
from support.upstreams import Asker, peers, picks

from fastws.upstream.balancers.ip_hash import IpHash


def home(address: str, *weights: int) -> str:
    """nginx's arithmetic, in the plainest words."""
    octets = ipaddress.ip_address(address).packed
    number = 89
    for octet in octets[:3] if len(octets) == 4 else octets:
        number = (number * 113 + octet) % 6271
    return "".join("abcdefgh"[i] * weight for i, weight in enumerate(weights))[
        number % sum(weights)
    ]


@pytest.mark.parametrize("address", ["192.0.2.1", "10.1.2.3", "127.0.0.1", "2001:db8::1", "::1"])
@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 1, 5), (1, 2)])
def test_a_client_has_a_home(address: str, weights: tuple[int, ...]) -> None:
    balancer = IpHash(peers(*weights))
    assert picks(balancer, 3, client=Asker(address)) == home(address, *weights) * 3


def test_a_network_has_one_home() -> None:
    balancer = IpHash(peers(1, 1, 1, 1, 1))
    assert len({picks(balancer, 1, client=Asker(f"192.0.2.{i}")) for i in range(256)}) == 1
    assert len({picks(balancer, 1, client=Asker(f"192.0.{i}.2")) for i in range(256)}) == 5
    assert len({picks(balancer, 1, client=Asker(f"2001:db8::{i:x}")) for i in range(256)}) == 5


def test_the_scope_of_an_address_does_not_matter() -> None:
    balancer = IpHash(peers(1, 1, 1, 1, 1))
    homes = {picks(balancer, 1, client=Asker(f"fe80::1{scope}")) for scope in ("", "%eth0", "%2")}
    assert len(homes) == 1


def test_clients_of_a_unix_socket_share_a_home() -> None:
    balancer = IpHash(peers(1, 1, 1))
    assert picks(balancer, 3, client=Asker("")) == home("0.0.0.0", 1, 1, 1) * 3


def test_who_is_down_keeps_its_clients() -> None:
    before = IpHash(peers(1, 1, 1))
    everyone = peers(1, 1, 1)
    everyone[1].down = True
    after = IpHash(everyone)
    for i in range(256):
        client = Asker(f"10.0.{i}.1")
        was, now = picks(before, 1, client=client), picks(after, 1, client=client)
        assert now == was if was != "b" else now in "ac"


def test_the_next_of_a_client_is_always_the_same() -> None:
    a, b, c = everyone = peers(1, 1, 1)
    balancer = IpHash(everyone)
    for i in range(256):
        client = Asker(f"10.0.{i}.1")
        first = next(
            peer for peer in everyone if str(peer).startswith(picks(balancer, 1, client=client))
        )
        assert len(set(picks(balancer, 5, first, client=client))) == 1
    assert picks(balancer, 1, a, b, c) == ""
