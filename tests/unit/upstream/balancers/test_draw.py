from __future__ import annotations

from itertools import count, repeat

from support.upstreams import peers

from fastws.upstream.balancers.draw import Lots


def test_lots_are_by_weight() -> None:
    a, b, c = everyone = peers(2, 1, 3)
    lots = Lots(everyone)
    assert lots.count == 6
    assert [lots.holder(i) for i in range(8)] == [a, a, b, c, c, c, a, a]


def test_who_is_drawn_and_cannot_be_picked_is_passed_over() -> None:
    a, b, c = everyone = peers(1, 1, 1)
    b.down = True
    assert Lots(everyone).draw(count(1), []) is c
    assert Lots(everyone).draw(count(1), [c]) is a


def test_patience_ends_after_twenty_misses() -> None:
    a, b = everyone = peers(1, 1)
    a.down = True
    lots = Lots(everyone)
    assert lots.draw([*repeat(0, 20), 1], []) is b
    assert lots.draw([*repeat(0, 21), 1], []) is None


def test_what_was_picked_before_was_no_miss() -> None:
    a, b, c = everyone = peers(1, 1, 1)
    a.down = True
    lots = Lots(everyone)
    assert lots.draw([1, *repeat(0, 20), 2], [b]) is c
    assert lots.draw([1, 1, *repeat(0, 19), 2], [b]) is c
    assert lots.draw([1, 1, *repeat(0, 20), 2], [b]) is None


def test_lots_run_out() -> None:
    assert Lots([]).draw([], []) is None
