from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.server.moves import plan


def evened(*loads: int) -> list[tuple[int, int, int]]:
    """The plan for tunnels all of which can move."""
    return plan([(load, load) for load in loads])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=9))
def test_a_plan_evens_loads_and_moves_no_more_than_it_must(loads: list[int]) -> None:
    after = list(loads)
    moves = evened(*loads)
    for giver, taker, count in moves:
        assert count > 0
        after[giver] -= count
        after[taker] += count
    assert max(after) - min(after) <= 1
    surplus = sum(max(0, before - now) for before, now in zip(loads, after, strict=True))
    assert sum(count for _, _, count in moves) == surplus
    ceiling = -(-sum(loads) // len(loads))
    assert surplus >= sum(max(0, load - ceiling) for load in loads)


@pytest.mark.parametrize("loads", [[0], [5], [3, 3], [4, 3], [3, 4], [1, 0, 1]])
def test_even_loads_stay(loads: list[int]) -> None:
    assert evened(*loads) == []


def test_one_gives_to_many() -> None:
    assert evened(10, 0, 0) == [(0, 1, 3), (0, 2, 3)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=9))
def test_nobody_gives_what_cannot_move(workers: list[tuple[int, int]]) -> None:
    settled = [stay for stay, _ in workers]
    after = [stay + go for stay, go in workers]
    for giver, taker, count in plan([(stay + go, go) for stay, go in workers]):
        after[giver] -= count
        after[taker] += count
        assert after[giver] >= settled[giver]
    # Whoever has more than others by two has nothing left to give.
    for has, stay in zip(after, settled, strict=True):
        assert has <= min(after) + 1 or has == stay


def test_others_share_what_one_cannot_give() -> None:
    assert plan([(100, 0), (50, 50), (0, 0)]) == [(1, 2, 25)]
