"""Tunnels that move between workers: some are emptied, or the load evened."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

from fastws.errors import FastwsError
from fastws.server import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fastws.observe.log import Log
    from fastws.server.child import Child

# For all tunnels of a worker to move.
_SECONDS = 60.0


async def rebalance(workers: Sequence[Child]) -> int:
    """Even out the tunnels of workers; how many were to move. Raises FastwsError.

    Those over TLS stay.
    """
    moved = 0
    for giver, taker, count in plan([child.tunnels for child in workers]):
        await _move(workers[giver], workers[taker], partial(messages.HandOver, most=count))
        moved += count
    return moved


async def even_out(workers: Sequence[Child], *, log: Log) -> None:
    """Let workers have as many tunnels each, as far as these can move."""
    with _faults_logged(log):
        if movable := [child for child in workers if not child.settled]:
            await rebalance(movable)


async def leave(
    leaving: Sequence[Child], staying: Sequence[Child], *, within: float, log: Log
) -> None:
    """Let workers that are to end give others their tunnels.

    Those too that open within so many seconds, for handshakes may be under way. What cannot move is
    still theirs; where that should not be, the log says why.
    """

    async def one(source: Child, target: Child) -> None:
        with _faults_logged(log, source):
            await _move(source, target, _all(within), within)

    givers = [child for child in leaving if not child.settled]
    takers = cycle(sorted(staying, key=lambda child: child.tunnels))
    await asyncio.gather(*map(one, givers, takers))


async def give(source: Child, sock: socket.socket, *, within: float, log: Log) -> None:
    """Let a worker that is to end give its tunnels through a socket, as in `leave`."""
    with _faults_logged(log, source):
        await source.ask(_all(within), [sock.fileno()], seconds=_SECONDS + within)


async def take(target: Child, sock: socket.socket, *, log: Log) -> None:
    """Let a worker take the tunnels that come through a socket."""
    with _faults_logged(log, target):
        await target.ask(messages.TakeOver, [sock.fileno()], seconds=2 * _SECONDS)


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


async def _move(
    source: Child, target: Child, order: Callable[[int], messages.HandOver], within: float = 0
) -> None:
    """Let one give tunnels to another.

    Raises FastwsError when that fails; each tunnel is then in one of the two, and goes on.
    """
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise FastwsError(f"no tunnel can move: {error.strerror}") from error
    seconds = _SECONDS + within
    with ours, theirs:
        asked = [
            asyncio.ensure_future(
                target.ask(messages.TakeOver, [theirs.fileno()], seconds=seconds)
            ),
            asyncio.ensure_future(source.ask(order, [ours.fileno()], seconds=seconds)),
        ]
        await asyncio.sleep(0)  # both are told; what they have is for them to close
    await asyncio.gather(*asked)


def _all(within: float) -> Callable[[int], messages.HandOver]:
    return partial(messages.HandOver, leave=within)


@contextmanager
def _faults_logged(log: Log, child: Child | None = None) -> Iterator[None]:
    try:
        yield
    except FastwsError as error:
        whose = {"worker": child.number} if child else {}
        log.error("tunnels_stay", **whose, message=str(error))  # noqa: TRY400 - one line
