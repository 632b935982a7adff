"""Closes tunnels at a pace, so that clients come back one after another."""

import asyncio
import random
from collections.abc import Sequence

from fastws._driver import LegTunnel
from fastws._relay import Ending

# Seconds between two looks at what is due, and at what is over.
_INTERVAL = 0.05

# For the closing handshakes of those that are closed at the deadline.
_HANDSHAKE = 5.0


def delays(count: int, *, rate: float, jitter: float, deadline: float) -> list[float]:
    """Return when each of ``count`` tunnels is closed, in seconds from now, in order.

    No more than ``rate`` begin in a second (0: no limit), and each is late by up to ``jitter``, at
    random; none is later than the ``deadline``.
    """
    steps = (i / rate if rate else 0.0 for i in range(count))
    late = (step + random.uniform(0, jitter) for step in steps)  # noqa: S311 - no secret
    return sorted(min(when, deadline) for when in late)


async def drain(
    tunnels: Sequence[LegTunnel], when: Sequence[float], code: int, reason: str, ending: Ending
) -> None:
    """Close each of the tunnels at its time, in seconds from now and in order; wait for the ends.

    Those that are not over some seconds after the last was closed are cut.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    text = reason.encode()
    closed = 0
    while True:
        now = loop.time() - start
        while closed < len(tunnels) and when[closed] <= now:
            tunnels[closed].shut_down(code, text, ending)
            closed += 1
        if closed == len(tunnels):
            break
        await asyncio.sleep(_INTERVAL)
    last = loop.time()
    while left := [tunnel for tunnel in tunnels if tunnel.passage is not None]:
        if loop.time() - last > _HANDSHAKE:
            for tunnel in left:
                tunnel.abort()
        await asyncio.sleep(_INTERVAL)
