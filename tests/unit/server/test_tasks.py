from __future__ import annotations

import asyncio
import gc
from typing import Any

from support.loops import run

from fastws.server.tasks import Tasks


def test_what_nobody_waits_for_is_not_collected() -> None:
    """Only what it waits for could keep it, and that it keeps itself."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        async def one() -> None:
            started.set_result(None)
            try:
                await loop.create_future()
            finally:
                over.set_result(None)

        started = loop.create_future()
        tasks = Tasks(loop)
        tasks.run(one())
        await started
        gc.collect()
        assert not over.done()
        tasks.cancel()
        await over

    run(scenario())


def test_what_is_over_is_forgotten() -> None:
    async def scenario() -> None:
        tasks = Tasks(asyncio.get_running_loop())
        over = asyncio.Event()

        async def one() -> None:
            over.set()

        tasks.run(one())
        await over.wait()
        await asyncio.sleep(0)
        assert not tasks._running

    run(scenario())


def test_what_fails_is_told_to_the_loop() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[dict[str, Any]] = loop.create_future()
        loop.set_exception_handler(lambda _, context: told.set_result(context))

        async def one() -> None:
            raise ValueError("no")

        Tasks(loop).run(one())
        assert str((await told)["exception"]) == "no"

    run(scenario())
