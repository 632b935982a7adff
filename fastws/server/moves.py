"""Tunnels that move between workers: one is emptied, or the load evened."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING

from fastws.server import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastws.server.child import Child

# For all tunnels of a worker to move.
_SECONDS = 60.0


async def move(
    source: Child, target: Child, most: int | None = None, *, leave: float = 0.0
) -> None:
    """Let ``source`` give its tunnels to ``target``, so many at most; those over TLS stay.

    With ``leave`` it accepts no more, and gives those too that open in so many seconds.
    Raises FastwsError when that fails; each tunnel is then in one of the two, and goes on.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        asked = [
            asyncio.ensure_future(
                target.ask(messages.TakeOver, [theirs.fileno()], seconds=_SECONDS + leave)
            ),
            asyncio.ensure_future(
                source.ask(
                    partial(messages.HandOver, most=most, leave=leave),
                    [ours.fileno()],
                    seconds=_SECONDS + leave,
                )
            ),
        ]
        await asyncio.sleep(0)  # both are told; what they have is for them to close
    await asyncio.gather(*asked)


async def rebalance(workers: Sequence[Child]) -> int:
    """Even out the tunnels of workers; how many were to move. Raises FastwsError."""
    moved = 0
    for giver, taker, count in plan([child.tunnels for child in workers]):
        await move(workers[giver], workers[taker], count)
        moved += count
    return moved


def plan(loads: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return who gives to whom and how many, so that loads differ by one at most."""
    mean, more = divmod(sum(loads), len(loads))
    order = sorted(range(len(loads)), key=lambda i: -loads[i])
    # The fullest keep what does not divide.
    excess = {i: loads[i] - mean - (rank < more) for rank, i in enumerate(order)}
    givers = [i for i in order if excess[i] > 0]
    moves = []
    for taker in (i for i in order if excess[i] < 0):
        while excess[taker] < 0:
            giver = givers[0]
            count = min(excess[giver], -excess[taker])
            moves.append((giver, taker, count))
            excess[giver] -= count
            excess[taker] += count
            if not excess[giver]:
                givers.pop(0)
    return moves
