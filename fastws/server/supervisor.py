"""The supervisor: binds the sockets, has workers serve at them, and answers signals and commands.

It has no part in any connection. Its loop stops for the moment in which a worker is forked, so that
none begins its life inside of it; hence a loop of the standard library on poll(2), of which the
kernel keeps nothing that both would share.
"""

import asyncio
import os
import selectors
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import islice

import click

from fastws._board import Board
from fastws.config.model import Config, Drain
from fastws.errors import FastwsError
from fastws.server import demo, messages, moves, succession
from fastws.server.changes import changes
from fastws.server.child import Child
from fastws.server.closing import RESTART, SHUTDOWN
from fastws.server.commands import Commands
from fastws.server.descriptors import most_descriptors
from fastws.server.entrances import Entrances
from fastws.server.fork import SIGNALS
from fastws.server.listeners import Listeners
from fastws.server.logs import OpenLog, log_faults
from fastws.server.peers import PeerTable
from fastws.server.pidfile import PidFile
from fastws.server.rates import Rates
from fastws.server.systemd import Notifier, inherited
from fastws.server.tasks import Tasks
from fastws.server.upgrade import Estate, Predecessor, Successor, begin, predecessor
from fastws.server.workers import Stop, Workers

# What is never used takes no memory.
_MOST_PEERS = 8192
# Open tunnels of one worker that are named in the log if it dies; more are only counted.
_MOST_NAMED_TUNNELS = 64 * 1024
# Workers beside those that serve: they still close their tunnels.
_SPARE_WORKERS = 16

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
    _pid_file: PidFile

    def __init__(self, load: Load, *, with_demo: bool = False) -> None:
        self._load = load
        self._with_demo = with_demo
        self._demo_config: Callable[[Config], Config] = lambda config: config
        self._loop = asyncio.SelectorEventLoop(selectors.PollSelector())
        self._notifier = Notifier()
        self.rates = Rates(self._loop)
        self._tasks = Tasks(self._loop)
        self._shut: set[str] = set()  # listeners that were drained
        self._stops = 0
        self._stopping: asyncio.Task[None] | None = None
        self._owner = False  # of the listeners: no other process serves there
        self._arriving: asyncio.Task[None] | None = None  # tunnels from another process
        self._fate = "the proxy is about to end"
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
        most_descriptors()  # of all listening sockets each worker has some, and we have all
        self._logs = OpenLog(config.log)
        self.log = self._logs.log
        log_faults(self._loop, self.log)
        serving = self._loop.create_task(self._serve(config))
        serving.add_done_callback(lambda _: self._loop.stop())
        try:
            self._loop.run_forever()
            while not serving.done():
                self.workers.fork_due()
                self._loop.run_forever()
            serving.result()
        finally:
            # What comes now changes nothing, and there will be no loop that could hear of it.
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            self._forget_tasks()
            self._logs.close()
            signal.set_wakeup_fd(-1)
            self._loop.close()

    # life

    async def _serve(self, config: Config) -> None:
        async with AsyncExitStack() as stack:
            page = None
            if self._with_demo:
                page = demo.page()
                address = await stack.enter_async_context(demo.upstream())
                self._demo_config = lambda config: demo.configured(config, address)
                config = self._demo_config(config)
            self._most_workers = 2 * max(config.workers, _cores())
            self.board = _board(self._most_workers + _SPARE_WORKERS)
            self.peers = PeerTable(self.board)
            self.plan = messages.Plan(Config(), {}, page)
            self.listeners = Listeners(inherited())
            stack.callback(self._close_listeners)
            self.workers = Workers(self._loop, self.board, self.log, self.peers.address)
            stack.push_async_callback(self.workers.kill)
            self._entrances = Entrances(config, Commands(self), self.log)
            stack.callback(self._entrances.close)
            if self._predecessor:
                self._inherit(self._predecessor)
            self._handle_signals()
            self._pid_file = PidFile(config.pid)
            stack.callback(self._pid_file.remove)
            self._entrances.bind()
            if not self._predecessor:
                await self._entrances.open()
            await self._begin(config)
            if not self._stops:
                self._write_pid()  # before the old process removes the file
                if self._predecessor:
                    self._predecessor.serving()
                self._announce()
            await self.stopped.wait()
            await self._entrances.finish()

    def _write_pid(self) -> None:
        try:
            self._pid_file.write()
        except FastwsError as error:  # who serves by now goes on
            self.log.error("no_pid_file", message=str(error))

    def _inherit(self, predecessor: Predecessor) -> None:
        """Go on with what a process leaves us."""
        estate = predecessor.estate
        self.board.skip_numbers(estate.number + _NUMBERS_LEFT)
        self.peers.inherit(estate.peers)
        sockets = iter(predecessor.sockets)
        self.listeners = Listeners(list(islice(sockets, estate.given)))
        self.listeners.inherit(estate.listeners, sockets)
        self._entrances.inherit(estate.entrances, sockets)
        self.workers.home = predecessor.home

    async def _begin(self, config: Config) -> None:
        try:
            await self._go_by(config)
        except FastwsError:
            if not self._stops:
                raise
        self.ready = not self._stops

    async def _own(self) -> None:
        """Wait until the process lets us serve whose place we take, if there is one.

        Raises FastwsError when it goes on by itself.
        """
        if self._predecessor and not self._owner:
            arrivals = succession.Arrivals(self.workers, self.log)
            await self._predecessor.up(arrivals.take)
            await self._entrances.open()
            self._arriving = self._loop.create_task(self._take_all(arrivals, self._predecessor))
        self._owner = True

    async def _take_all(self, arrivals: succession.Arrivals, predecessor: Predecessor) -> None:
        await arrivals.all_until(predecessor.over, within=self.opening)
        self.workers.home = None
        predecessor.home.close()

    def _close_listeners(self) -> None:
        """Listen no more; what belongs to a process that goes on stays where it is."""
        if self._owner:
            self.listeners.close()
        else:
            self.listeners.release()

    def _announce(self) -> None:
        addresses = self.listeners.addresses
        click.echo(f"fastws listening on {', '.join(str(address) for address in addresses)}")
        if self.plan.page:
            click.echo(f"open {demo.url(addresses[0])} in a browser")
        workers = list(self.workers)
        drivers = sorted({child.driver for child in workers})
        self.log.info("started", driver=",".join(drivers), workers=len(workers))
        self._notifier.ready()
        self._tasks.run(self._sample())
        if self._notifier.watchdog:
            self._tasks.run(self._watch())

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
        on(signal.SIGHUP, lambda: self._tasks.run(self._reload_and_log()))
        on(signal.SIGUSR2, lambda: self._tasks.run(self._upgrade_and_log()))
        on(signal.SIGUSR1, lambda: self._tasks.run(self._reopen_log()))

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
            self.log.error("log_not_reopened", message=str(error))
        for fault in await self.workers.ask_all(messages.Reopen):
            self.log.error("log_not_reopened", message=fault)

    # reload

    async def reload(self) -> list[str]:
        """Go by the configuration as it is now; returns what changed.

        Raises FastwsError when there is anything wrong with it; then nothing has changed.
        """
        try:
            async with self.steady():
                lines = await self._reload()
        except FastwsError as error:
            self.log.error("reload_failed", message=str(error))
            raise
        self.log.info("reloaded", changes="; ".join(lines))
        return lines

    async def _reload(self) -> list[str]:
        self._notifier.reloading()
        try:
            old, new = self.plan.config, self._demo_config(self._load())
            await self._go_by(new)
        finally:
            self._notifier.ready()
        return changes(old, new)

    @property
    def shut_doors(self) -> list[str]:
        """The listeners that were drained."""
        return sorted(self._shut)

    def door(self, address: str) -> str:
        """Return the name of the listener at an address; empty if there is none."""
        names = (address, f"ws://{address}", f"wss://{address}")
        shut = [each for each in names if each in self._shut]
        return shut[0] if shut else self.listeners.named(address)

    async def shut(self, door: str, *, undo: bool = False) -> None:
        """Accept no more at a listener, or again.

        Raises FastwsError when that cannot be; then all is as before.
        """
        async with self.steady():
            before = self._shut
            self._shut = before - {door} if undo else before | {door}
            try:
                await self._go_by(self.plan.config)
            except FastwsError:
                self._shut = before
                raise

    @asynccontextmanager
    async def steady(self) -> AsyncIterator[list[Child]]:
        """Let nothing else change these workers meanwhile, nor tunnels come from another process.

        Raises FastwsError when the end is near.
        """
        if self._arriving:
            await asyncio.wait([self._arriving])
        async with self.workers.still:
            self._check_for_the_end()
            yield self.workers.serving

    def _check_for_the_end(self) -> None:
        if self._stopping:
            raise FastwsError(self._fate)

    async def _go_by(self, config: Config) -> None:
        """Let all workers go by a configuration, and be so many as it says.

        Raises FastwsError when that cannot be; then all is as before.
        """
        count = config.workers or _cores()
        if count > self._most_workers:
            raise FastwsError(f"workers: until the next start there can be {self._most_workers}")
        resized = self.workers.count not in (0, count)
        old = self.listeners
        listeners = old.changed_to(config, count, self._shut)
        try:
            plan = messages.Plan(config, self.peers.assign(config), self.plan.page)
            await self.workers.prepare(plan, listeners.doors, count)
            await self._own()
        except FastwsError:
            self.peers.settle(self.plan.config)
            listeners.close(keep=old)
            raise
        self.plan, self.listeners = plan, listeners
        self.peers.settle(config)
        # Before the workers do, who accept all that came until then.
        old.close(keep=listeners)
        leaving = await self.workers.commit()
        try:
            self._logs.configure(config.log)
        except FastwsError as error:
            self.log.error("log_not_reopened", message=str(error))
        if resized:
            await self._share_out(leaving)

    async def _share_out(self, leaving: Sequence[Child]) -> None:
        """Let workers have as many tunnels each, and those end for which there is no place."""
        drain = self.plan.config.drain
        for child in leaving:
            child.dismissed = True
        await moves.leave(leaving, self.workers.serving, within=self.opening, log=self.log)
        stop = _restart(drain)
        self._tasks.run(self.workers.dismiss(leaving, stop, drain.spread + drain.timeout))
        await moves.even_out(self.workers.serving, log=self.log)

    @property
    def opening(self) -> float:
        """Within how many seconds a connection becomes a tunnel, if it does."""
        timeouts = self.plan.config.timeouts
        return timeouts.connect + timeouts.handshake

    # upgrade

    async def upgrade(self) -> dict[str, int]:
        """Let a new process take our place; returns its pid, and how many tunnels are ``left``.

        Raises FastwsError when it does not come up, or ends before it has what can move; then we
        go on.
        """
        try:
            async with self.steady() as leaving:
                successor = await self._begin_successor()
                await self._hand_over(successor, leaving)
                self._retire(successor)
                return {"pid": successor.pid, "left": sum(child.tunnels for child in leaving)}
        except FastwsError as error:
            self.log.error("upgrade_failed", message=str(error))
            raise

    async def _begin_successor(self) -> Successor:
        if self._with_demo:
            raise FastwsError("a demo cannot be upgraded: its upstream is part of it")
        self._load()  # what is wrong with it is best said here
        listeners, sockets = self.listeners.held()
        entrances, more = self._entrances.held()
        given = self.listeners.given
        estate = Estate(
            self.board.next_number(), self.peers.places, listeners, entrances, given=len(given)
        )
        successor = begin(self._loop, estate, [*given, *sockets, *more])
        try:
            await successor.up()
            self._check_for_the_end()
        except BaseException:
            successor.close()
            raise
        return successor

    async def _hand_over(self, successor: Successor, leaving: Sequence[Child]) -> None:
        """Let a process that is up serve, and have our tunnels.

        Raises FastwsError when it ends meanwhile; then we go on.
        """
        self._owner = False
        self._entrances.lend()
        try:
            await successor.serve()
            self.log.info("upgraded", pid=successor.pid)
            await succession.give(leaving, successor, within=self.opening, log=self.log)
        except FastwsError:
            await self._go_on()
            arrivals = succession.Arrivals(self.workers, self.log)
            over = successor.take_back(arrivals.take)
            coming = arrivals.all_until(over, within=self.opening)
            self._arriving = self._loop.create_task(coming)
            raise
        finally:
            successor.close()

    def _retire(self, successor: Successor) -> None:
        """End, as another process goes on, unless we are told to stop; or stop with it."""
        self.ready = False
        self._notifier.successor(successor.pid)
        self.listeners.release()
        self._entrances.release()
        if self._stopping:
            return
        if successor.stopping.done():
            self.stop()
            return
        self._fate = f"process {successor.pid} goes on in the place of this one"
        drain = self.plan.config.drain
        self._stopping = self._loop.create_task(
            self._end(_restart(drain), drain.spread + drain.timeout)
        )

    async def _go_on(self) -> None:
        """Serve again, in place of a process that is gone. Raises FastwsError."""
        self._check_for_the_end()
        self._owner = True
        self._write_pid()
        await self._entrances.open()
        await self._go_by(self.plan.config)

    async def _upgrade_and_log(self) -> None:
        with suppress(FastwsError):
            await self.upgrade()

    # the end

    def _end_within(self, spread: float, timeout: float) -> None:
        self.ready = False
        self._notifier.stopping()
        if self._predecessor:
            self._predecessor.stopping()
        self._close_listeners()
        if self._stopping:
            self._stopping.cancel()
        stop = partial(messages.Stop, closing=SHUTDOWN, spread=spread, timeout=timeout)
        self._stopping = self._loop.create_task(self._end(stop, spread + timeout))

    async def _end(self, stop: Stop, seconds: float) -> None:
        await self.workers.end(stop, seconds)
        self.stopped.set()

    # private

    def _forget_tasks(self) -> None:
        """End what nobody waits for any more: watches, and clients of the control socket."""
        while tasks := asyncio.all_tasks(self._loop):  # a signal that came before may make another
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.wait(tasks))


def _restart(drain: Drain) -> Stop:
    """Return the order to stop because others go on."""
    return partial(messages.Stop, closing=RESTART, spread=drain.spread, timeout=drain.timeout)


def _board(workers: int) -> Board:
    """Return one for so many. Raises FastwsError if there is no memory for it."""
    try:
        return Board(workers, _MOST_PEERS, _MOST_NAMED_TUNNELS)
    except MemoryError:
        raise FastwsError("the system gives no memory that the workers could share") from None


def _cores() -> int:
    """How many cores there are for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
