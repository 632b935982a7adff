from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.server.moves import plan


@given(st.lists(st.integers(0, 50), min_size=1, max_size=9))
def test_a_plan_evens_loads_and_moves_no_more_than_it_must(loads: list[int]) -> None:
    after = list(loads)
    moves = plan(loads)
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
    assert plan(loads) == []


def test_one_gives_to_many() -> None:
    assert plan([10, 0, 0]) == [(0, 1, 3), (0, 2, 3)]
