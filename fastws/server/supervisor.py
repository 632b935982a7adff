"""The supervisor: binds the sockets, has workers serve at them, and answers signals and commands.

It has no part in any connection. Its loop stops for the moment in which a worker is forked, so that
none begins its life inside of it; hence a loop of the standard library on poll(2), of which the
kernel keeps nothing that both would share.
"""

import asyncio
import os
import selectors
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import click

from fastws._board import Board
from fastws._relay import Ending
from fastws.config.model import Config
from fastws.errors import FastwsError
from fastws.server import demo, messages, worker
from fastws.server.changes import changes
from fastws.server.child import Child
from fastws.server.commands import Commands
from fastws.server.entrances import Entrances
from fastws.server.fork import SIGNALS
from fastws.server.listeners import Listeners
from fastws.server.logs import OpenLog
from fastws.server.peers import PeerTable
from fastws.server.rates import Rates
from fastws.server.systemd import Notifier, inherited
from fastws.server.upgrade import Estate, Successor, begin, predecessor
from fastws.server.workers import Workers

# What is never used takes no memory.
_MOST_PEERS = 8192
# Open tunnels of one worker that are named in the log if it dies; more are only counted.
_MOST_NAMED_TUNNELS = 64 * 1024
# More workers than there are to be at a time: those that still close their tunnels.
_SPARE_WORKERS = 16

# RFC 6455's registry of close codes: service restart
_RESTART = 1012
# For a worker's tunnels to move to a new process, in seconds, when nothing opens any more.
_MOVE = 60.0
# Numbers for tunnels that open here after a new process was told where to go on.
_NUMBERS_LEFT = 1_000_000

Load = Callable[[], Config]


class Supervisor:
    """Keeps workers that serve what ``load()`` returns."""

    board: Board
    workers: Workers
    listeners: Listeners
    peers: PeerTable
    plan: messages.Plan
    _logs: OpenLog

    def __init__(self, load: Load, *, with_demo: bool = False) -> None:
        self._load = load
        self._with_demo = with_demo
        self._demo_config: Callable[[Config], Config] = lambda config: config
        self._loop = asyncio.SelectorEventLoop(selectors.PollSelector())
        self._notifier = Notifier()
        self.rates = Rates(self._loop)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._shut: set[str] = set()  # listeners that were drained
        self._stops = 0
        self._stopping: asyncio.Task[None] | None = None
        self.ready = False  # whether connections are accepted
        self.stopped = asyncio.Event()

    def run(self) -> None:
        """Serve until a signal ends it. Raises FastwsError for what the operator can put right."""
        self._predecessor = predecessor()
        try:
            self._serve_until_the_end()
        except FastwsError as error:
            if self._predecessor:
                self._predecessor.failed(str(error))
            raise

    def _serve_until_the_end(self) -> None:
        config = self._load()
        self._logs = OpenLog(config.log)
        self.log = self._logs.log
        self._loop.set_exception_handler(lambda _, context: self._log_fault(context))
        serving = self._loop.create_task(self._serve(config))
        serving.add_done_callback(lambda _: self._loop.stop())
        try:
            self._loop.run_forever()
            while not serving.done():
                self.workers.fork_due()
                self._loop.run_forever()
            serving.result()
        finally:
            self._forget_tasks()
            self._logs.close()
            # What comes now changes nothing, and there is no loop that could hear of it.
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            signal.set_wakeup_fd(-1)
            self._loop.close()

    # what workers begin with

    def birth(self, place: int) -> worker.Birth:
        """Return what the worker at a place begins with."""
        return worker.Birth(self.plan, self.listeners.sockets(place))

    def server_at(self, number: int) -> str:
        """Return the address of the server at a place of the board."""
        return self.peers.address(number)

    @property
    def opening(self) -> float:
        """How long a tunnel may take to open, in seconds."""
        timeouts = self.plan.config.timeouts
        return timeouts.connect + timeouts.handshake

    # life

    async def _serve(self, config: Config) -> None:
        async with AsyncExitStack() as stack:
            page = None
            if self._with_demo:
                page = demo.page()
                address = await stack.enter_async_context(demo.upstream())
                self._demo_config = lambda config: demo.configured(config, address)
                config = self._demo_config(config)
            count = config.workers or _cores()
            self.board = Board(count + _SPARE_WORKERS, _MOST_PEERS, _MOST_NAMED_TUNNELS)
            self.peers = PeerTable(self.board)
            self.listeners = self._listen(config, count)
            stack.callback(lambda: self.listeners.close())  # noqa: PLW0108 - by then others
            self.plan = messages.Plan(config, self.peers.assign(config), self.listeners.doors, page)
            self.peers.settle(config)
            self.workers = Workers(self._loop, self.board, self.log, self)
            stack.push_async_callback(self.workers.kill)
            self._handle_signals()
            entrances = self._entrances = Entrances(config, Commands(self), self.log)
            stack.callback(entrances.close)
            await entrances.open()
            _write_pid(config.pid)
            stack.callback(_remove_pid, config.pid)
            await self._begin(count)
            await self.stopped.wait()
            await entrances.finish()

    def _listen(self, config: Config, workers: int) -> Listeners:
        """Listen where ``config`` says, with the sockets that we were given where there are any."""
        given = Listeners(workers, inherited())
        if self._predecessor:
            estate = self._predecessor.estate
            self.board.skip_numbers(estate.number + _NUMBERS_LEFT)
            self.peers.inherit(estate.peers)
            given.inherit(estate.listeners, self._predecessor.sockets)
        listeners = given.changed_to(config)
        given.close(keep=listeners)
        return listeners

    async def _begin(self, count: int) -> None:
        try:
            await self.workers.begin_all(count)
        except FastwsError:
            if not self._stops:
                raise
        if not self._stops:
            self.ready = True
            self._announce()
            self._notifier.ready()
            if self._predecessor:
                self._predecessor.up(self._loop, lambda fd: self._run(self._take_over(fd)))
            self._run(self._sample())
            if self._notifier.watchdog:
                self._run(self._watch())

    def _announce(self) -> None:
        addresses = self.listeners.addresses
        click.echo(f"fastws listening on {', '.join(str(address) for address in addresses)}")
        if self.plan.page:
            click.echo(f"open {demo.url(addresses[0])} in a browser")
        workers = list(self.workers)
        drivers = sorted({child.driver for child in workers})
        self.log.info("started", driver=",".join(drivers), workers=len(workers))

    async def _sample(self) -> None:
        while True:
            self.rates.sample(self.board.totals())
            await asyncio.sleep(1)

    async def _watch(self) -> None:
        """Give the service manager signs of life, twice as often as it wants."""
        while True:
            self._notifier.alive()
            await asyncio.sleep(self._notifier.watchdog / 2)

    # signals

    def _handle_signals(self) -> None:
        on = self._loop.add_signal_handler
        for number in (signal.SIGTERM, signal.SIGINT):
            on(number, self.stop)
        on(signal.SIGQUIT, self.stop_gently)
        on(signal.SIGHUP, lambda: self._run(self._reload_and_log()))
        on(signal.SIGUSR2, lambda: self._run(self._upgrade_and_log()))
        on(signal.SIGUSR1, lambda: self._run(self._reopen_log()))

    def stop(self) -> None:
        """Close all tunnels and end; asked again, end at once."""
        self._stops += 1
        drain = self.plan.config.drain
        self._end_within(0, drain.timeout if self._stops == 1 else 0)

    def stop_gently(self) -> None:
        """Close all tunnels one after another, and end; `stop` hurries it."""
        if not self._stopping:
            drain = self.plan.config.drain
            self._end_within(drain.spread, drain.timeout)

    async def _reload_and_log(self) -> None:
        with suppress(FastwsError):
            await self.reload()

    async def _reopen_log(self) -> None:
        """Open the log's file again, in all processes."""
        try:
            self._logs.reopen()
        except FastwsError as error:
            self.log.error("log_not_reopened", message=str(error))  # noqa: TRY400 - one line
        for fault in await self.workers.ask_all(messages.Reopen):
            self.log.error("log_not_reopened", message=fault)

    # reload

    async def reload(self) -> list[str]:
        """Go by the configuration as it is now; returns what changed.

        Raises FastwsError when there is anything wrong with it; then nothing has changed.
        """
        async with self.steady():
            self._notifier.reloading()
            try:
                lines = await self._go_by(self._demo_config(self._load()))
            except FastwsError as error:
                self.log.error("reload_failed", message=str(error))  # noqa: TRY400 - one line
                raise
            finally:
                self._notifier.ready()
            self.log.info("reloaded", changes="; ".join(lines))
            return lines

    @property
    def shut_doors(self) -> list[str]:
        """The listeners that were drained."""
        return sorted(self._shut)

    def door(self, address: str) -> str:
        """Return the name of the listener at an address; empty if there is none."""
        names = (address, f"ws://{address}", f"wss://{address}")
        shut = [each for each in names if each in self._shut]
        return shut[0] if shut else self.listeners.named(address)

    async def shut(self, door: str) -> None:
        """Accept no more at a listener, until it is opened again."""
        async with self.steady():
            self._shut.add(door)
            await self._go_by(self.plan.config)

    async def reopen(self, door: str) -> None:
        """Accept again at a listener that was shut. Raises FastwsError when that cannot be."""
        async with self.steady():
            self._shut.discard(door)
            try:
                await self._go_by(self.plan.config)
            except FastwsError:
                self._shut.add(door)
                raise

    @asynccontextmanager
    async def steady(self) -> AsyncIterator[list[Child]]:
        """Let nothing else change these workers meanwhile.

        Raises FastwsError when the end is near.
        """
        async with self.workers.still:
            if self._stopping:
                raise FastwsError("the proxy is about to end")
            yield [child for child in self.workers if not child.dismissed]

    async def _go_by(self, config: Config) -> list[str]:
        old_config, old_listeners = self.plan.config, self.listeners
        listeners = old_listeners.changed_to(config, self._shut)
        try:
            plan = messages.Plan(config, self.peers.assign(config), listeners.doors, self.plan.page)
            await self.workers.go_by(plan, listeners.sockets)
        except FastwsError:
            self.peers.settle(old_config)
            listeners.close(keep=old_listeners)
            raise
        self.plan, self.listeners = plan, listeners
        self.peers.settle(config)
        await self.workers.commit()
        old_listeners.close(keep=listeners)
        try:
            self._logs.configure(config.log)
        except FastwsError as error:
            self.log.error("log_not_reopened", message=str(error))  # noqa: TRY400 - one line
        return changes(old_config, config)

    # upgrade

    async def upgrade(self) -> dict[str, int]:
        """Let a new process take our place; returns its pid, and how many tunnels are ``left``.

        Raises FastwsError when it does not come up; then all is as before.
        """
        async with self.steady() as serving:
            try:
                successor = await self._begin_successor()
            except FastwsError as error:
                self.log.error("upgrade_failed", message=str(error))  # noqa: TRY400 - one line
                raise
            self.log.info("upgraded", pid=successor.pid)
            self._notifier.successor(successor.pid)
            self.listeners.release()
            self.ready = False
            await asyncio.gather(*(self._hand_over(child, successor) for child in serving))
            successor.close()
            drain = self.plan.config.drain
            self._stopping = self._loop.create_task(
                self._end(drain.spread, drain.timeout, _RESTART, "service restart", Ending.DRAIN)
            )
            return {"pid": successor.pid, "left": sum(child.tunnels for child in serving)}

    async def _begin_successor(self) -> Successor:
        if self._with_demo:
            raise FastwsError("a demo cannot be upgraded: its upstream is part of it")
        self._load()  # what is wrong with it is best said here
        held, sockets = self.listeners.held()
        estate = Estate(self.board.next_number(), self.peers.places, held, sockets=len(sockets))
        # It has the same, at the same places.
        self._entrances.close()
        try:
            successor = begin(self._loop, estate, sockets)
            try:
                await successor.up()
            except FastwsError:
                successor.close()
                raise
        except FastwsError:
            await self._entrances.open()
            _write_pid(self.plan.config.pid)
            raise
        return successor

    async def _hand_over(self, child: Child, successor: Successor) -> None:
        """Let a worker give its tunnels to the new process; what stays is drained."""
        seconds = self.opening
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                successor.give(theirs)
                theirs.close()
                await child.ask(
                    lambda number: messages.HandOver(number, leave=seconds),
                    [ours.fileno()],
                    seconds=seconds + _MOVE,
                )
            except (FastwsError, OSError) as error:
                self.log.error(  # noqa: TRY400 - one line
                    "tunnels_stay", worker=child.number, message=str(error)
                )

    async def _take_over(self, fd: int) -> None:
        """Let the worker that has the fewest tunnels take what comes through a socket."""
        with socket.socket(fileno=fd) as sock:
            try:
                child = min(self.workers, key=lambda child: child.tunnels)
                await child.ask(messages.TakeOver, [sock.fileno()], seconds=_MOVE)
            except FastwsError as error:
                self.log.error("tunnels_stay", message=str(error))  # noqa: TRY400 - one line

    async def _upgrade_and_log(self) -> None:
        with suppress(FastwsError):
            await self.upgrade()

    # the end

    def _end_within(self, spread: float, timeout: float) -> None:
        self.ready = False
        self._notifier.stopping()
        self.listeners.close()
        if self._stopping:
            self._stopping.cancel()
        self._stopping = self._loop.create_task(
            self._end(spread, timeout, worker.GOING_AWAY, "shutting down", Ending.SHUTDOWN)
        )

    async def _end(
        self, spread: float, seconds: float, code: int, reason: str, ending: Ending
    ) -> None:
        await self.workers.end(
            lambda number: messages.Stop(number, code, reason, spread, seconds, int(ending)),
            spread + seconds,
        )
        self.stopped.set()

    # private

    def _run(self, doing: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget_tasks(self) -> None:
        """End what nobody waits for any more: watches, and clients of the control socket."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks))

    def _log_fault(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.log.error(
            "fault", message=context.get("message", ""), error=repr(error) if error else ""
        )


def _cores() -> int:
    """How many cores there are for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write_pid(path: str | None) -> None:
    if path:
        try:
            Path(path).write_text(f"{os.getpid()}\n")
        except OSError as error:
            raise FastwsError(f"cannot write {path}: {error.strerror}") from error


def _remove_pid(path: str | None) -> None:
    """Remove the file, unless it is another's by now."""
    with suppress(OSError):
        if path and Path(path).read_text().strip() == str(os.getpid()):
            Path(path).unlink()
