"""Tunnels that move between workers: some are emptied, or the load evened."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager, suppress
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
SECONDS = 60.0


async def rebalance(workers: Sequence[Child]) -> int:
    """Even out the tunnels of workers as far as they can move; how many were to.

    Raises FastwsError.
    """
    await asyncio.gather(*(child.ask(messages.Report) for child in workers))
    moved = 0
    for giver, taker, count in plan([(child.tunnels, child.movable) for child in workers]):
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
    others = (finish(child, within=within) for child in leaving if child.settled)
    await asyncio.gather(*others, *map(one, givers, takers))


async def finish(child: Child, *, within: float) -> None:
    """Let a worker that is to end open the tunnels, and give the answers, that it has begun.

    It has so many seconds. If it is gone, nothing is under way there.
    """
    with suppress(FastwsError):
        await child.ask(partial(messages.Leave, seconds=within), seconds=SECONDS + within)


async def give(source: Child, sock: socket.socket, *, within: float, log: Log) -> None:
    """Let a worker that is to end give its tunnels through a socket, as in `leave`."""
    with _faults_logged(log, source):
        await source.ask(_all(within), [sock.fileno()], seconds=SECONDS + within)


async def take(target: Child, sock: socket.socket, *, log: Log) -> None:
    """Let a worker take the tunnels that come through a socket, unless it is told to end."""
    try:
        await target.ask(messages.TakeOver, [sock.fileno()], seconds=2 * SECONDS)
    except FastwsError as error:
        if not target.dismissed:
            _log_fault(log, error, target)


def plan(loads: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return who gives to whom and how many, so that all have as many, or one more.

    A load is how many tunnels there are, and how many of them can move. Who cannot give so many
    gives what he can, and the others share the rest.
    """
    excess = _excess(loads)
    order = sorted(excess, key=lambda i: -loads[i][0])
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


def _excess(loads: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return how many each has too many."""
    settled = [tunnels - movable for tunnels, movable in loads]
    sharing = sorted(range(len(loads)), key=lambda i: settled[i])
    total = sum(tunnels for tunnels, _ in loads)
    excess = {}
    while settled[sharing[-1]] * len(sharing) > total:
        most = sharing.pop()
        excess[most] = loads[most][1]
        total -= settled[most]
    mean, more = divmod(total, len(sharing))
    # The fullest keep what does not divide.
    for rank, i in enumerate(sorted(sharing, key=lambda i: -loads[i][0])):
        excess[i] = loads[i][0] - mean - (rank < more)
    return excess


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
    seconds = SECONDS + within
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
        _log_fault(log, error, child)


def _log_fault(log: Log, error: FastwsError, child: Child | None) -> None:
    whose = {"worker": child.number} if child else {}
    log.error("tunnels_stay", **whose, message=str(error))
