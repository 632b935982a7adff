"""What is done beside everything else, and nobody waits for."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Keeps such tasks until they are over: the loop alone would let the collector take them.

    What one of them raises is told to the loop's exception handler.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[asyncio.Task[None]] = set()

    def run(self, doing: Coroutine[Any, Any, None]) -> None:
        """Begin it in the next turn of the loop."""
        task = self._loop.create_task(doing)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def cancel(self) -> None:
        """End all of them, wherever they are."""
        for task in self._running:
            task.cancel()
