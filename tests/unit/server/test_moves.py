"""Who is to give whom how many tunnels, and what workers are told of it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.loops import run
from support.workers import child_and_puppet

from fastws._board import Board
from fastws.errors import FastwsError
from fastws.server import moves
from fastws.server.moves import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from support.workers import Puppet

    from fastws.server.child import Child


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


# -- what workers are told ----------------------------------------------------------------------


class Cast:
    """Workers with so many tunnels each, all of which can move, and a log.

    ``deaf`` are the numbers of those who do nothing that they are told but to report.
    """

    def __init__(self, *tunnels: int, deaf: tuple[int, ...] = ()) -> None:
        board = Board(len(tunnels), 1, 64)
        pairs = [
            child_and_puppet(board=board, number=number, obey=self._obey(number in deaf))
            for number in range(len(tunnels))
        ]
        self.children: list[Child] = [child for child, _ in pairs]
        self.puppets: list[Puppet] = [puppet for _, puppet in pairs]
        self.faults: list[dict[str, Any]] = []
        for number, count in enumerate(tunnels):
            counts = board.worker(number)
            counts.movable = count
            for each in range(count):
                counts.tunnel_opened(each, 0, "client")

    def error(self, event: str, **fields: Any) -> None:
        assert event == "tunnels_stay"
        self.faults.append(fields)

    @property
    def told(self) -> list[list[str]]:
        return [puppet.kinds for puppet in self.puppets]

    def close(self) -> None:
        for child, puppet in zip(self.children, self.puppets, strict=True):
            child.ended()
            puppet.close()

    @staticmethod
    def _obey(deaf: bool) -> Callable[[Any], str]:  # noqa: FBT001 - one of two kinds
        return lambda order: "no" if deaf and type(order).__name__ != "Report" else ""


def scene(play: Callable[[Any], Coroutine[Any, Any, None]], *tunnels: int, **more: Any) -> None:
    async def whole() -> None:
        cast = Cast(*tunnels, **more)
        try:
            await play(cast)
        finally:
            cast.close()

    run(whole())


def test_loads_are_evened_by_what_workers_report() -> None:
    async def play(cast: Cast) -> None:
        assert await moves.rebalance(cast.children) == 4
        assert cast.told == [["Report", "HandOver"], ["Report"], ["Report", "TakeOver"]]
        assert cast.puppets[0].orders[1].most == 4

    scene(play, 9, 5, 1)


def test_even_loads_are_left_alone() -> None:
    async def play(cast: Cast) -> None:
        assert await moves.rebalance(cast.children) == 0
        assert cast.told == [["Report"], ["Report"]]

    scene(play, 5, 4)


def test_a_worker_whose_tunnels_cannot_move_is_not_asked_to_even_out() -> None:
    async def play(cast: Cast) -> None:
        cast.children[0].driver = "transport"
        await moves.even_out(cast.children, log=cast)  # type: ignore[arg-type]
        assert cast.told == [[], ["Report", "HandOver"], ["Report", "TakeOver"]]
        cast.children[1].driver = cast.children[2].driver = "transport"
        await moves.even_out(cast.children, log=cast)  # type: ignore[arg-type]
        assert [len(kinds) for kinds in cast.told] == [0, 2, 2]

    scene(play, 9, 5, 1)


def test_what_keeps_loads_from_being_evened_is_logged() -> None:
    async def play(cast: Cast) -> None:
        with pytest.raises(FastwsError, match="no"):
            await moves.rebalance(cast.children)
        await moves.even_out(cast.children, log=cast)  # type: ignore[arg-type]
        assert cast.faults == [{"message": "no"}]

    scene(play, 9, 1, deaf=(1,))


def test_those_with_the_fewest_take_what_others_leave() -> None:
    async def play(cast: Cast) -> None:
        cast.children[1].driver = "transport"
        leaving, staying = cast.children[:2], cast.children[2:]
        await moves.leave(leaving, staying, within=7, log=cast)  # type: ignore[arg-type]
        assert cast.told == [["HandOver"], ["Leave"], [], ["TakeOver"]]
        assert (cast.puppets[0].orders[0].leave, cast.puppets[1].orders[0].seconds) == (7, 7)
        assert cast.faults == []

    scene(play, 3, 3, 2, 1)


def test_a_worker_that_keeps_its_tunnels_holds_up_no_other() -> None:
    async def play(cast: Cast) -> None:
        leaving, staying = cast.children[:2], cast.children[2:]
        await moves.leave(leaving, staying, within=7, log=cast)  # type: ignore[arg-type]
        assert cast.told == [["HandOver"], ["HandOver"], ["TakeOver", "TakeOver"]]
        assert cast.faults == [{"worker": 0, "message": "no"}]

    scene(play, 3, 3, 2, deaf=(0,))


def test_a_worker_that_is_gone_has_finished() -> None:
    async def play(cast: Cast) -> None:
        await moves.finish(cast.children[0], within=7)
        assert cast.told == [["Leave"]]

    scene(play, 3, deaf=(0,))


@pytest.mark.parametrize("dismissed", [False, True])
def test_who_is_told_to_end_need_not_take(*, dismissed: bool) -> None:
    async def play(cast: Cast) -> None:
        (child,) = cast.children
        child.dismissed = dismissed
        ours, theirs = socket.socketpair()
        with ours, theirs:
            await moves.take(child, ours, log=cast)  # type: ignore[arg-type]
        assert cast.told == [["TakeOver"]]
        assert cast.faults == ([] if dismissed else [{"worker": 0, "message": "no"}])

    scene(play, 0, deaf=(0,))
