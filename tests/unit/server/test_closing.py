from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws._relay import Ending
from fastws.server.closing import DRAINED, close, delays

times = st.floats(0, 1000)


@given(st.integers(0, 200), st.floats(0, 100), times, times)
def test_nobody_is_forgotten_or_late(
    count: int, rate: float, jitter: float, deadline: float
) -> None:
    when = delays(count, rate=rate, jitter=jitter, deadline=deadline)
    assert len(when) == count
    assert when == sorted(when)
    assert all(0 <= each <= deadline for each in when)


def test_a_rate_is_kept() -> None:
    when = delays(500, rate=50, jitter=0.02, deadline=300)
    assert 9.9 < when[-1] < 10.1
    assert max(Counter(int(each) for each in when).values()) <= 51


def test_ten_thousand_come_back_spread_as_was_asked_for() -> None:
    """Clients that reconnect at once, under jitter alone: each tenth of the time has its tenth."""
    when = delays(10_000, rate=0, jitter=30, deadline=300)
    tenths = Counter(int(each / 3) for each in when)
    assert set(tenths) == set(range(10))
    assert all(800 < count < 1200 for count in tenths.values())


def test_without_either_it_is_now() -> None:
    assert delays(3, rate=0, jitter=0, deadline=300) == [0, 0, 0]


class Clock(asyncio.SelectorEventLoop):
    """A loop that waits for nothing: its time jumps to the next timer."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        self.call_soon(self._jump, when)
        return super().call_at(when, *arguments, **options)

    def _jump(self, when: float) -> None:
        self.now = max(self.now, when)


class Tunnel:
    """One whose client comes back as soon as it is closed; `stubborn`: it has to be cut."""

    passage: object | None = object()

    def __init__(self, clock: Clock, *, stubborn: bool = False) -> None:
        self.clock = clock
        self.stubborn = stubborn
        self.back = self.cut = 0.0

    def shut_down(self, code: int, reason: bytes, ending: Ending) -> None:
        assert (code, reason, ending) == (1012, b"drained", Ending.DRAIN)
        self.back = self.clock.now
        if not self.stubborn:
            self.passage = None

    def abort(self) -> None:
        self.cut = self.clock.now
        self.passage = None


def drained(tunnels: list[Tunnel], **pace: float) -> list[float]:
    """When the clients come back."""
    clock = tunnels[0].clock
    when = delays(len(tunnels), **pace)
    clock.run_until_complete(close(tunnels, when, DRAINED))  # type: ignore[arg-type]
    clock.close()
    return [tunnel.back for tunnel in tunnels]


@pytest.mark.parametrize("jitter", [0.01, 5.0])
def test_ten_thousand_reconnects_come_at_the_rate(jitter: float) -> None:
    clock = Clock()
    times = drained([Tunnel(clock) for _ in range(10_000)], rate=100, jitter=jitter, deadline=300)
    assert 99 < max(times) < 101 + jitter
    seconds = Counter(int(each) for each in times)
    full = [seconds[second] for second in range(int(jitter) + 1, 99)]
    # One look late or early, and with jitter by chance.
    assert all(100 - 60 < count < 100 + 60 for count in full)
    assert 95 < sum(full) / len(full) < 105


def test_ten_thousand_reconnects_are_spread_by_jitter_alone() -> None:
    clock = Clock()
    times = drained([Tunnel(clock) for _ in range(10_000)], rate=0, jitter=30, deadline=300)
    tenths = Counter(int(each / 3.01) for each in times)
    assert set(tenths) == set(range(10))
    assert all(800 < count < 1200 for count in tenths.values())


def test_who_does_not_answer_the_close_is_cut_some_seconds_after_the_last() -> None:
    clock = Clock()
    stubborn = Tunnel(clock, stubborn=True)
    others = [Tunnel(clock) for _ in range(9)]
    drained([stubborn, *others], rate=1, jitter=0, deadline=300)
    assert 9 + 5 < stubborn.cut < 9 + 6
    assert not any(other.cut for other in others)
