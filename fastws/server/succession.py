"""Tunnels that go from the workers of one process to those of another that takes its place."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from fastws.errors import FastwsError
from fastws.server import moves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastws.observe.log import Log
    from fastws.server.child import Child
    from fastws.server.upgrade import Successor
    from fastws.server.workers import Workers


async def give(leaving: Sequence[Child], successor: Successor, *, within: float, log: Log) -> None:
    """Let workers give their tunnels to a new process: see `fastws.server.moves.leave`.

    No more of them when it is told to stop. Raises FastwsError when it ends before it has all that
    can move.
    """
    giving = asyncio.ensure_future(_give(leaving, successor, within, log))
    steps = [giving, successor.gone, successor.stopping]
    try:
        await asyncio.wait(steps, return_when=asyncio.FIRST_COMPLETED)
        if successor.gone.done():
            raise FastwsError("the new process ended before it had all tunnels")
        if giving.done():
            giving.result()
    finally:
        giving.cancel()


async def _give(leaving: Sequence[Child], successor: Successor, within: float, log: Log) -> None:
    async def one(child: Child) -> None:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                successor.give(theirs)
            await moves.give(child, ours, within=within, log=log)

    going = (
        moves.finish(child, within=within) if child.settled else one(child) for child in leaving
    )
    outcomes = await asyncio.gather(*going, return_exceptions=True)
    for fault in outcomes:
        if isinstance(fault, OSError):
            log.error("tunnels_stay", message=fault.strerror)
        elif fault:
            raise fault


class Arrivals:
    """Lets workers take the tunnels of the process whose place we take, in turn."""

    def __init__(self, workers: Workers, log: Log) -> None:
        self._workers = workers
        self._log = log
        self._taking: list[asyncio.Task[None]] = []

    def take(self, fd: int) -> None:
        """Let the next take what comes through a socket."""
        sock = socket.socket(fileno=fd)
        if serving := self._workers.serving:
            child = serving[len(self._taking) % len(serving)]
            self._taking.append(asyncio.ensure_future(self._take(child, sock)))
        else:
            sock.close()

    async def all_until(self, over: asyncio.Event, *, within: float) -> None:
        """Wait until all have come, and even them out.

        ``over`` says that no more begin to. Another process takes no longer than it has to move
        them, if it lives, and so many seconds more for those that open meanwhile.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), moves.SECONDS + within)
        await asyncio.gather(*self._taking)
        async with self._workers.still:
            await moves.even_out(self._workers.serving, log=self._log)

    async def _take(self, child: Child, sock: socket.socket) -> None:
        with sock:
            await moves.take(child, sock, log=self._log)
