from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvloop

from fastws.proxy.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Dog:
    """Notes when its time is up."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.over = asyncio.Event()
        self.times: list[float] = []
        self._then = then

    def expired(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        self.over.set()
        self._then()


def run(work: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


def watchdog() -> Watchdog:
    return Watchdog(asyncio.get_running_loop())


def test_the_time_is_up_once_and_not_early() -> None:
    async def scenario() -> None:
        watching, dog, later = watchdog(), Dog(), Dog()
        start = asyncio.get_running_loop().time()
        watching.watch(dog, 0.1)
        watching.watch(later, 0.3)
        await later.over.wait()
        assert len(dog.times) == 1
        assert start + 0.1 <= dog.times[0] < start + 0.3
        assert later.times[0] >= start + 0.3

    run(scenario())


def test_what_is_forgotten_has_all_the_time() -> None:
    async def scenario() -> None:
        watching, dog, later = watchdog(), Dog(), Dog()
        watching.watch(dog, 0.05)
        watching.watch(later, 0.2)
        watching.forget(dog)
        await later.over.wait()
        assert not dog.times

    run(scenario())


def test_forgetting_a_stranger_is_nothing() -> None:
    async def scenario() -> None:
        watchdog().forget(Dog())

    run(scenario())


def test_a_new_deadline_replaces_the_old_one() -> None:
    async def scenario() -> None:
        watching, dog, hasty = watchdog(), Dog(), Dog()
        start = asyncio.get_running_loop().time()
        watching.watch(dog, 0.05)
        watching.watch(dog, 0.3)
        watching.watch(hasty, 60)
        watching.watch(hasty, 0.1)
        await hasty.over.wait()
        assert not dog.times
        await dog.over.wait()
        assert dog.times[0] >= start + 0.3

    run(scenario())


def test_one_that_expires_may_watch_and_forget_others() -> None:
    async def scenario() -> None:
        watching, spared, second = watchdog(), Dog(), Dog()

        def first_is_over() -> None:
            watching.forget(spared)
            watching.watch(second, 0.05)

        first = Dog(first_is_over)
        watching.watch(first, 0.05)
        watching.watch(spared, 0.3)
        await second.over.wait()
        watching.watch(first, 0.4)
        first.over.clear()
        await first.over.wait()
        assert not spared.times

    run(scenario())


def test_one_that_expired_may_be_watched_again() -> None:
    async def scenario() -> None:
        watching, twice = watchdog(), asyncio.Event()

        def again() -> None:
            if len(dog.times) == 2:
                twice.set()
            else:
                watching.watch(dog, 0.05)

        dog = Dog(again)
        watching.watch(dog, 0.05)
        await twice.wait()

    run(scenario())


def test_a_deadline_forgotten_by_one_that_expires_in_the_same_turn_does_not_fire() -> None:
    async def scenario() -> None:
        watching, victim, later = watchdog(), Dog(), Dog()
        killer = Dog(lambda: watching.forget(victim))
        watching.watch(killer, 0.01)
        watching.watch(victim, 0.01)
        watching.watch(later, 0.2)
        await later.over.wait()
        assert not victim.times

    run(scenario())


def test_the_timer_runs_only_while_there_is_something_to_watch() -> None:
    async def scenario() -> None:
        watching, dog = watchdog(), Dog()
        assert watching._timer is None
        watching.watch(dog, 0.01)
        assert watching._timer is not None
        await dog.over.wait()
        assert watching._timer is None

    run(scenario())
