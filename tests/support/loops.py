"""Event loops under tests that are plain functions: for a scenario, and in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on a loop of its own; it has `PATIENCE` seconds."""

    async def bounded() -> Result:
        async with asyncio.timeout(PATIENCE):
            return await scenario

    return asyncio.run(bounded())


class LoopThread:
    """Runs coroutines for other threads; every one of them has `PATIENCE` seconds."""

    def __enter__(self) -> Self:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._settle())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine, run over there."""

        async def bounded() -> Result:
            async with asyncio.timeout(PATIENCE):
                return await work

        return asyncio.run_coroutine_threadsafe(bounded(), self.loop).result(PATIENCE + 5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    async def _settle(self) -> None:
        """Let what is still running end before the loop does."""
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
