from __future__ import annotations

from collections import Counter

import pytest
from support.upstreams import Asker, peers, picks

from fastws.upstream.balancers.round_robin import RoundRobin

NOBODY = Asker()


def test_peers_of_equal_weight_take_turns() -> None:
    assert picks(RoundRobin(peers(1, 1, 1)), 7) == "abcabca"


@pytest.mark.parametrize(
    ("weights", "order"),
    [
        ((5, 1, 1), "aabacaa"),  # the example of nginx's ngx_http_upstream_round_robin.c
        ((1, 5, 1), "bbabcbb"),
        ((2, 1), "aba"),
        ((4, 3), "abababa"),
    ],
)
def test_heavy_peers_are_spread_and_the_round_repeats(weights: tuple[int, ...], order: str) -> None:
    balancer = RoundRobin(peers(*weights))
    assert picks(balancer, len(order)) == order
    assert picks(balancer, len(order)) == order


@pytest.mark.parametrize("weights", [(1,), (3, 2), (7, 1, 1, 4), (65535, 1)])
def test_a_round_gives_each_peer_its_weight(weights: tuple[int, ...]) -> None:
    counts = Counter(picks(RoundRobin(peers(*weights)), sum(weights)))
    assert [counts[name] for name in "abcdefgh"[: len(weights)]] == list(weights)


def test_what_was_tried_is_not_picked() -> None:
    a, b, c = peers(5, 1, 1)
    balancer = RoundRobin([a, b, c])
    assert set(picks(balancer, 8, a)) == {"b", "c"}
    assert picks(balancer, 3, a, b) == "ccc"


def test_a_retry_does_not_upset_the_order() -> None:
    a, b, c = peers(1, 1, 1)
    balancer = RoundRobin([a, b, c])
    assert balancer.pick((), NOBODY) is a
    assert balancer.pick([a], NOBODY) is b
    counts = Counter(picks(balancer, 300))
    assert max(counts.values()) - min(counts.values()) <= 2


@pytest.mark.parametrize("count", [1, 2, 3])
def test_nobody_is_left_when_all_were_tried(count: int) -> None:
    everyone = peers(*[1] * count)
    assert RoundRobin(everyone).pick(everyone, NOBODY) is None
