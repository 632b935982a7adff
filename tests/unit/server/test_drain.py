from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fastws.server.drain import delays

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
