"""What costs much is done a little at a time, so that others have their turn between."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Turns:
    """Does what it is given in its order, ``most`` of it in one turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._most = most
        self._due: deque[Callable[[], None]] = deque()

    def add(self, do: Callable[[], None]) -> None:
        """Do it in one of the next turns."""
        self._due.append(do)
        if len(self._due) == 1:
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        some = [self._due.popleft() for _ in range(min(self._most, len(self._due)))]
        if self._due:
            self._loop.call_soon(self._turn)
        for do in some:
            do()
