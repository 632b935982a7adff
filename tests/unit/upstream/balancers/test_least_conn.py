from __future__ import annotations

import pytest
from support.upstreams import Asker, fill, leased, peers, picks

from fastws.upstream.balancers.least_conn import LeastConn


def test_the_idlest_is_picked() -> None:
    a, b, c = everyone = peers(1, 1, 1)
    fill(a, 2)
    fill(b, 1)
    fill(c, 3)
    assert picks(LeastConn(everyone), 3) == "bbb"


def test_weight_is_room_for_more() -> None:
    a, b = everyone = peers(3, 1)
    balancer = LeastConn(everyone)
    fill(a, 5)
    fill(b, 2)
    assert picks(balancer, 2) == "aa"
    fill(a, 7)
    assert picks(balancer, 2) == "bb"


def test_equals_take_turns_by_weight() -> None:
    assert picks(LeastConn(peers(1, 1, 1)), 6) == "abcabc"
    assert picks(LeastConn(peers(5, 1, 1)), 7) == "aabacaa"


def test_only_equals_take_turns() -> None:
    a, b, c = everyone = peers(1, 1, 1)
    fill(a, 1)
    balancer = LeastConn(everyone)
    assert picks(balancer, 4) == "bcbc"
    assert a.state.credit == 0
    assert picks(balancer, 1, b, c) == "a"


def test_connections_even_out() -> None:
    everyone = peers(4, 2, 1)
    balancer = LeastConn(everyone)
    for _ in range(70):
        peer = balancer.pick((), Asker())
        assert peer
        leased(peer)
    assert [peer.state.connections for peer in everyone] == [40, 20, 10]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_nobody_is_left_when_all_were_tried(count: int) -> None:
    everyone = peers(*[1] * count)
    assert LeastConn(everyone).pick(everyone, Asker()) is None
