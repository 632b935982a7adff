"""Closes tunnels, at a pace: so clients come back one after another."""

import asyncio
import random
from collections.abc import Sequence

import msgspec

from fastws._driver import LegTunnel
from fastws._relay import Ending

# Seconds between two looks at what is due, and at what is over.
_INTERVAL = 0.05

# For the closing handshakes of those that are closed at the deadline.
_HANDSHAKE = 5.0


class Closing(msgspec.Struct, frozen=True):
    """``code`` and ``reason`` stand in the close frame, ``ending`` (an `Ending`) in the log."""

    code: int
    reason: str
    ending: int = int(Ending.DRAIN)


# RFC 6455 section 7.4.1: going away
SHUTDOWN = Closing(1001, "shutting down", int(Ending.SHUTDOWN))
# IANA's registry of close codes: service restart, which tells clients to come back
RESTART = Closing(1012, "service restart")
DRAINED = Closing(1012, "drained")


def delays(count: int, *, rate: float, jitter: float, deadline: float) -> list[float]:
    """Return when each of ``count`` tunnels is closed, in seconds from now, in order.

    No more than ``rate`` begin in a second (0: no limit), and each is late by up to ``jitter``, at
    random; none is later than the ``deadline``.
    """
    steps = (i / rate if rate else 0.0 for i in range(count))
    late = (step + random.uniform(0, jitter) for step in steps)  # noqa: S311 - no secret
    return sorted(min(when, deadline) for when in late)


async def close(tunnels: Sequence[LegTunnel], when: Sequence[float], closing: Closing) -> None:
    """Close each of the tunnels at its time, in seconds from now and in order; wait for the ends.

    Those that are not over some seconds after the last was closed are cut.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    code, reason, ending = closing.code, closing.reason.encode(), Ending(closing.ending)
    closed = 0
    while True:
        now = loop.time() - start
        while closed < len(tunnels) and when[closed] <= now:
            tunnels[closed].shut_down(code, reason, ending)
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
