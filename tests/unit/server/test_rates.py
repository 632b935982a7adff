from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from fastws.server.rates import Rates

if TYPE_CHECKING:
    import asyncio


def totals(accepted: int, messages: int = 0) -> dict[str, int]:
    zeros = dict.fromkeys(("opened", "messages_out", "bytes_in", "bytes_out"), 0)
    return {**zeros, "accepted": accepted, "messages_in": messages}


def test_rates_are_those_of_the_last_ten_seconds() -> None:
    clock = SimpleNamespace(now=100.0)
    loop = cast("asyncio.AbstractEventLoop", SimpleNamespace(time=lambda: clock.now))
    rates = Rates(loop)
    assert rates.now(totals(5))["accepted"] == 0
    for second in range(20):
        rates.sample(totals(accepted=100 * max(0, second - 9), messages=second))
        clock.now += 1
    found = rates.now(totals(accepted=1100, messages=20))
    assert found["accepted"] == 100
    assert found["messages"] == 1
