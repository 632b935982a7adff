from __future__ import annotations

import random
from collections import Counter

import pytest
from support.upstreams import Asker, fill, peers, picks

from fastws.upstream.balancers.random import Random, RandomTwo


@pytest.fixture(autouse=True)
def _seed() -> None:
    random.seed(1)


def test_picks_are_by_weight() -> None:
    counts = Counter(picks(Random(peers(5, 1, 2)), 8000))
    assert [round(counts[name] / 1000) for name in "abc"] == [5, 1, 2]


def test_of_two_the_less_busy_is_picked() -> None:
    a, b, c = everyone = peers(1, 1, 1)
    fill(a, 5)
    fill(b, 3)
    fill(c, 4)
    counts = Counter(picks(RandomTwo(everyone), 3000))
    assert counts["a"] == 0
    assert [round(counts[name] / 1000) for name in "bc"] == [2, 1]


def test_two_minds_the_weight() -> None:
    a, b = everyone = peers(10, 1)
    fill(a, 5)
    fill(b, 1)
    assert set(picks(RandomTwo(everyone), 20)) == {"a"}


@pytest.mark.parametrize("method", [Random, RandomTwo])
def test_a_single_one_is_found(method: type[Random]) -> None:
    haystack = peers(65535, 1)
    haystack[0].down = True
    assert picks(method(haystack), 3) == "bbb"
    assert picks(method(peers(1)), 3) == "aaa"


@pytest.mark.parametrize("method", [Random, RandomTwo])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_nobody_is_left_when_all_were_tried(method: type[Random], count: int) -> None:
    everyone = peers(*[1] * count)
    assert method(everyone).pick(everyone, Asker()) is None
