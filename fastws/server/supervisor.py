"""The supervisor: binds the sockets, has workers serve at them, and answers signals.

It has no part in any connection. Its loop stops for the moment in which a worker is forked, so that
none begins its life inside of it; hence a loop of the standard library on poll(2), of which the
kernel keeps nothing that both would share.
"""

import asyncio
import os
import selectors
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import click

from fastws._board import Board
from fastws.config.model import Config
from fastws.errors import FastwsError
from fastws.observe.log import Log
from fastws.server import demo, messages, worker
from fastws.server.listeners import Listeners
from fastws.server.peers import PeerTable
from fastws.server.workers import Workers

# What is never used takes no memory.
_MOST_PEERS = 8192
# Open tunnels of one worker that are named in the log if it dies; more are only counted.
_MOST_NAMED_TUNNELS = 64 * 1024
# More workers than there are to be at a time: those that still close their tunnels.
_SPARE_WORKERS = 16

Load = Callable[[], Config]


class Supervisor:
    """Keeps workers that serve what ``load()`` returns."""

    _log: Log
    _workers: Workers
    _listeners: Listeners
    _peers: PeerTable
    _plan: messages.Plan

    def __init__(self, load: Load, *, with_demo: bool = False) -> None:
        self._load = load
        self._with_demo = with_demo
        self._loop = asyncio.SelectorEventLoop(selectors.PollSelector())
        self._stops = 0
        self._stopping: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    def run(self) -> None:
        """Serve until a signal ends it. Raises FastwsError for what the operator can put right."""
        config = self._load()
        self._log = Log(sys.stderr.fileno(), config.log.level, config.log.format)
        self._loop.set_exception_handler(lambda _, context: self._log_fault(context))
        serving = self._loop.create_task(self._serve(config))
        serving.add_done_callback(lambda _: self._loop.stop())
        try:
            self._loop.run_forever()
            while not serving.done():
                self._workers.fork_due()
                self._loop.run_forever()
            serving.result()
        finally:
            self._log.close()
            self._loop.close()

    # what workers begin with

    def birth(self, place: int) -> worker.Birth:
        """Return what the worker at a place begins with."""
        return worker.Birth(self._plan, self._listeners.sockets(place))

    def server_at(self, number: int) -> str:
        """Return the address of the server at a place of the board."""
        return self._peers.address(number)

    # life

    async def _serve(self, config: Config) -> None:
        async with AsyncExitStack() as stack:
            page = None
            if self._with_demo:
                page = demo.page()
                config = demo.configured(config, await stack.enter_async_context(demo.upstream()))
            count = config.workers or _cores()
            board = Board(
                workers=count + _SPARE_WORKERS, peers=_MOST_PEERS, tunnels=_MOST_NAMED_TUNNELS
            )
            self._peers = PeerTable(board)
            self._listeners = Listeners(count)
            stack.callback(self._listeners.close)
            self._listeners.open(config)
            self._plan = messages.Plan(
                config, self._peers.assign(config), self._listeners.doors, page
            )
            self._peers.settle(config)
            self._workers = Workers(self._loop, board, self._log, self)
            stack.push_async_callback(self._workers.kill)
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._stop)
            await self._begin(count)
            await self._stopped.wait()

    async def _begin(self, count: int) -> None:
        try:
            await self._workers.begin_all(count)
        except FastwsError:
            if not self._stops:
                raise
        if not self._stops:
            self._announce()

    def _announce(self) -> None:
        addresses = self._listeners.addresses
        click.echo(f"fastws listening on {', '.join(str(address) for address in addresses)}")
        if self._plan.page:
            click.echo(f"open {demo.url(addresses[0])} in a browser")
        workers = list(self._workers)
        drivers = sorted({child.driver for child in workers})
        self._log.info("started", driver=",".join(drivers), workers=len(workers))

    # the end

    def _stop(self) -> None:
        """Close all tunnels and end; asked again, end at once."""
        self._stops += 1
        self._listeners.close()
        seconds = self._plan.config.drain.timeout if self._stops == 1 else 0
        if self._stopping:
            self._stopping.cancel()
        self._stopping = self._loop.create_task(self._end(seconds))

    async def _end(self, seconds: float) -> None:
        await self._workers.end(
            lambda number: messages.Stop(
                number, worker.GOING_AWAY, "shutting down", spread=0, timeout=seconds
            ),
            seconds,
        )
        self._stopped.set()

    def _log_fault(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._log.error(
            "fault", message=context.get("message", ""), error=repr(error) if error else ""
        )


def _cores() -> int:
    """How many cores there are for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
