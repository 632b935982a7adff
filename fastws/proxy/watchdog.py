"""Deadlines of connections that are not yet tunnels, with one timer for all of them."""

import asyncio
from math import inf
from typing import Protocol

# How late a deadline may be noticed.
_INTERVAL = 0.05


class Watched(Protocol):
    """What can be watched."""

    def expired(self) -> None:
        """Its time is up."""


class Watchdog:
    """Every watched object has one absolute deadline; a timer runs only while there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._deadlines: dict[Watched, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def now(self) -> float:
        """The time in seconds."""
        return self._loop.time()

    def watch(self, watched: Watched, seconds: float) -> None:
        """Call ``watched.expired()`` once in ``seconds``, in place of any deadline it had."""
        self._deadlines[watched] = self._loop.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_later(_INTERVAL, self._look)

    def forget(self, watched: Watched) -> None:
        """Let ``watched`` take its time."""
        self._deadlines.pop(watched, None)

    def _look(self) -> None:
        now = self._loop.time()
        self._timer = None
        for watched in [key for key, deadline in self._deadlines.items() if deadline <= now]:
            # One that expires may forget another, or give it more time.
            if self._deadlines.get(watched, inf) <= now:
                del self._deadlines[watched]
                watched.expired()
        if self._deadlines and self._timer is None:
            self._timer = self._loop.call_later(_INTERVAL, self._look)
