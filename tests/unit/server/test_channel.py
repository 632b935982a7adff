from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from support.waiting import PATIENCE

from fastws.server.channel import Channel, pair

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class End:
    """One end of a pair, and what came to it."""

    def __init__(self, sock) -> None:  # noqa: ANN001
        self.got: asyncio.Queue[tuple[bytes, list[int]]] = asyncio.Queue()
        self.over = asyncio.Event()
        self.channel = Channel(
            asyncio.get_running_loop(),
            sock,
            lambda data, descriptors: self.got.put_nowait((data, descriptors)),
            self.over.set,
        )


def run(scenario: Callable[[End, End], Coroutine[None, None, None]]) -> None:
    async def play() -> None:
        one, two = map(End, pair())
        try:
            await asyncio.wait_for(scenario(one, two), PATIENCE)
        finally:
            one.channel.close()
            two.channel.close()

    asyncio.run(play())


def test_messages_arrive_one_by_one() -> None:
    async def scenario(one: End, two: End) -> None:
        one.channel.send(b"first")
        one.channel.send(b"second" * 1000)
        assert await two.got.get() == (b"first", [])
        assert await two.got.get() == (b"second" * 1000, [])
        two.channel.send(b"back")
        assert (await one.got.get())[0] == b"back"

    run(scenario)


def test_descriptors_come_with_them() -> None:
    async def scenario(one: End, two: End) -> None:
        reader, writer = os.pipe()
        one.channel.send(b"take this", [writer])
        os.close(writer)
        _, (passed,) = await two.got.get()
        os.write(passed, b"it works")
        os.close(passed)
        assert os.read(reader, 100) == b"it works"
        os.close(reader)

    run(scenario)


def test_the_end_is_told_once_behind_what_was_sent() -> None:
    async def scenario(one: End, two: End) -> None:
        one.channel.send(b"last")
        one.channel.close()
        one.channel.close()
        await two.over.wait()
        assert two.got.get_nowait()[0] == b"last"

    run(scenario)


def test_one_who_hears_nothing_is_no_reason_to_wait() -> None:
    async def scenario(one: End, _two: End) -> None:
        def talk() -> None:
            for _ in range(10_000):
                one.channel.send(b"x" * 10_000)

        with pytest.raises(BlockingIOError):
            talk()

    run(scenario)
