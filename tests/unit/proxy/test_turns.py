from __future__ import annotations

from support.desk import Clock

from fastws.proxy.turns import Turns


def test_no_more_is_done_in_a_turn_than_was_said() -> None:
    clock, done = Clock(), []
    turns = Turns(clock, 2)  # type: ignore[arg-type]
    for number in range(5):
        turns.add(lambda number=number: done.append(number))
    lengths = []
    while clock.soon:
        clock.soon.pop(0)()
        lengths.append(len(done))
    assert lengths == [2, 4, 5]
    assert done == [0, 1, 2, 3, 4]


def test_what_comes_later_is_done_too() -> None:
    clock, done = Clock(), []
    turns = Turns(clock, 2)  # type: ignore[arg-type]
    turns.add(lambda: turns.add(lambda: done.append("second")))
    clock.run()
    turns.add(lambda: done.append("third"))
    clock.run()
    assert done == ["second", "third"]


def test_one_that_fails_keeps_nobody_else_from_a_turn() -> None:
    clock, done = Clock(), []
    turns = Turns(clock, 1)  # type: ignore[arg-type]
    turns.add(lambda: done[0])
    turns.add(lambda: done.append("next"))
    try:
        clock.soon.pop(0)()
    except IndexError:
        clock.run()
    assert done == ["next"]
