"""How much happens in a second, of late."""

import asyncio
from collections import deque
from typing import Any

# Seconds that are looked back at.
_WINDOW = 10

_NAMES = {
    "accepted": ("accepted",),
    "opened": ("opened",),
    "messages": ("messages_in", "messages_out"),
    "bytes": ("bytes_in", "bytes_out"),
}


class Rates:
    """Takes a sample of the board's totals every second."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._samples: deque[tuple[float, dict[str, Any]]] = deque(maxlen=_WINDOW)

    def sample(self, totals: dict[str, Any]) -> None:
        """Remember what was counted until now."""
        self._samples.append((self._loop.time(), totals))

    def now(self, totals: dict[str, Any]) -> dict[str, float]:
        """Return the rates from the oldest sample until now."""
        if not self._samples:
            return dict.fromkeys(_NAMES, 0.0)
        since, before = self._samples[0]
        seconds = max(self._loop.time() - since, 1e-3)
        return {
            name: sum(totals[key] - before[key] for key in keys) / seconds
            for name, keys in _NAMES.items()
        }
