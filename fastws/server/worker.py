"""A worker: one process, one loop; it serves by a plan, and does what the supervisor says."""

import asyncio
import gc
import os
import pickle
import socket
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import msgspec
import uvloop

from fastws._board import WorkerCounts
from fastws._driver import LegTunnel
from fastws.errors import FastwsError
from fastws.proxy.arrivals import Arrivals
from fastws.proxy.context import Context
from fastws.proxy.settings import Settings
from fastws.server import handover, messages
from fastws.server.acceptors import Acceptors
from fastws.server.channel import Channel
from fastws.server.closing import SHUTDOWN, close, delays
from fastws.server.descriptors import most_descriptors
from fastws.server.logs import OpenLog, log_faults
from fastws.server.messages import Door, Plan
from fastws.server.pinning import pin
from fastws.server.tasks import Tasks

# Seconds between two signs of life.
BEAT = 1.0

# A connection leaves no cycles behind, so that collections only cost time: few of them do.
_COLLECT_AFTER = 50_000

# Seconds after a reload until what the old settings left is looked for: they hold each other.
_REST = 1.0

# Seconds between two looks for connections that have become tunnels.
_LOOK = 0.1

# For the loop, the log, the listeners, and what libraries open.
_OWN_DESCRIPTORS = 32
# A tunnel has two, and two more while both its sides are slow; connections that are turned away
# have one.
_DESCRIPTORS_PER_CONNECTION = 3

_orders = msgspec.json.Decoder(messages.Order)


@dataclass
class Birth:
    """What a worker serves at the beginning, at which sockets, and the place that it takes.

    ``home`` is where tunnels are taken that it has when its supervisor dies, if anywhere.
    """

    plan: Plan
    doors: list[Door]
    place: int
    home: socket.socket | None = None


@dataclass
class _Next:
    """What a worker is ready to go by."""

    plan: Plan
    settings: Settings
    acceptors: Acceptors


def main(birth: Birth, counts: WorkerCounts, channel: socket.socket) -> int:
    """Serve until the supervisor says to stop, or is gone; the exit status."""
    if birth.plan.config.pin_workers:
        pin(birth.place)
    logs = OpenLog(birth.plan.config.log)
    log = logs.log
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Worker(birth, counts, logs).live(channel))
    except Exception as error:  # noqa: BLE001 - nobody above us could say it
        log.error("fault", message="a worker cannot go on", error=repr(error))
        return 1
    finally:
        logs.close()
    return 0


class Worker:
    """Goes by one plan at a time."""

    _loop: asyncio.AbstractEventLoop
    _tasks: Tasks
    _channel: Channel
    _context: Context
    _acceptors: Acceptors

    def __init__(self, birth: Birth, counts: WorkerCounts, logs: OpenLog) -> None:
        self._counts = counts
        self._logs = logs
        self._log = logs.log
        self._plan = birth.plan
        self._doors = birth.doors  # that came, and are not part of what is prepared
        self._home = birth.home
        self._giving: asyncio.Task[None] | None = None  # all tunnels to another process
        self._closing: set[LegTunnel] = set()  # that a drain is about to close: they stay
        self._next: _Next | None = None
        self._collecting: asyncio.TimerHandle | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    async def live(self, channel: socket.socket) -> None:
        """Serve until it is over, as the supervisor says through ``channel``."""
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks(self._loop)
        log_faults(self._loop, self._log)
        self._channel = Channel(self._loop, channel, self._hear, self._orphaned)
        try:
            self._begin()
        except FastwsError as error:
            self._say(messages.Failed(str(error)))
            return
        self._beat()
        sockets = self._context.sockets
        self._say(messages.Ready(driver=sockets.name if sockets else "transport"))
        await self._over.wait()
        self._channel.close()

    # what the supervisor says

    def _hear(self, data: bytes, descriptors: list[int]) -> None:
        self._tasks.run(self._carry_out(_orders.decode(data), descriptors))

    async def _carry_out(self, order: messages.Order, descriptors: list[int]) -> None:
        fault = ""
        try:
            _check_count(order, descriptors)
            await self._obey(order, descriptors)
        except FastwsError as error:
            fault = str(error)
        self._say(messages.Done(order.number, fault))

    async def _obey(self, order: messages.Order, descriptors: list[int]) -> None:
        match order:
            case messages.Take() | messages.Prepare() | messages.Commit():
                await self._change(order, descriptors)
            case messages.Drain():
                await self._drain(order)
            case messages.Leave():
                await self._leave(order.seconds)
            case messages.HandOver():
                await self._hand_over(order, descriptors[0])
            case messages.TakeOver():
                await self._take_over(descriptors[0])
            case messages.Stop():
                await self._stop(order)
            case messages.Report():
                self._publish()
                settled = sum(tunnel.movable for tunnel in self._closing)
                self._counts.movable = self._context.driver.movable() - settled
            case messages.Reopen():
                self._logs.reopen()

    async def _change(
        self, order: messages.Take | messages.Prepare | messages.Commit, descriptors: list[int]
    ) -> None:
        """Take a step towards another plan."""
        match order:
            case messages.Take():
                sockets = [socket.socket(fileno=fd) for fd in descriptors]
                self._doors += zip(order.listeners, sockets, strict=True)
            case messages.Prepare():
                self._prepare(descriptors[0])
            case messages.Commit(give_up=True):
                self._give_up()
            case messages.Commit():
                await self._commit()

    def _orphaned(self) -> None:
        """Without a supervisor nobody would know of us."""
        self._tasks.run(self._end_alone())

    async def _end_alone(self) -> None:
        """Let go what another process takes, and end."""
        if self._giving:
            await asyncio.wait([self._giving])
        if self._home:
            with suppress(OSError, FastwsError):  # nobody is there any more, or it takes no more
                await self._go_home(self._home)
        seconds = self._plan.config.drain.timeout
        await self._stop(messages.Stop(0, SHUTDOWN, 0, seconds))

    async def _go_home(self, home: socket.socket) -> None:
        """Give all tunnels to the process that goes on in place of ours."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(home, [b"tunnels"], [theirs.fileno()])
            timeouts = self._plan.config.timeouts
            await self._leave(timeouts.connect + timeouts.handshake, ours)

    # what it does

    def _begin(self) -> None:
        """Prepare for the first plan. Raises FastwsError."""
        settings = self._settings(self._plan)
        self._context = Context(
            settings,
            self._loop,
            self._logs.files,
            self._counts,
            most_connections=_most_connections(),
        )
        self._acceptors = Acceptors(self._context, self._plan.config, [])
        self._make_ready(self._plan, settings)
        # What lives now lives as long as the worker: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)

    def _prepare(self, plan: int) -> None:
        """Make ready for another plan. Raises FastwsError, and then nothing is left of it."""
        # Others read the same file, each from where it likes.
        data = os.pread(plan, os.fstat(plan).st_size, 0)
        os.close(plan)
        new: Plan = pickle.loads(data)  # noqa: S301 - our supervisor's
        self._make_ready(new, self._settings(new))

    def _make_ready(self, plan: Plan, settings: Settings) -> None:
        acceptors = Acceptors(self._context, plan.config, self._doors)
        self._doors = []
        self._next = _Next(plan, settings, acceptors)

    def _give_up(self) -> None:
        """Forget what was prepared."""
        for _, sock in self._doors:
            sock.close()
        self._doors = []
        if self._next:
            self._next.acceptors.close()
            self._next = None

    async def _commit(self) -> None:
        """Go by the plan that was prepared: what is under way keeps to the one it began with."""
        if not self._next or self._stopping:
            return
        new, self._next = self._next, None
        old, self._acceptors = self._acceptors, new.acceptors
        self._plan = new.plan
        self._context.replace_settings(new.settings)
        self._context.stay()
        try:
            self._logs.configure(new.plan.config.log)
        except FastwsError as error:
            self._log.error("log_not_reopened", message=str(error))
        await new.acceptors.start()
        await old.finish()
        if self._collecting:
            self._collecting.cancel()
        self._collecting = self._loop.call_later(_REST, gc.collect)

    async def _drain(self, order: messages.Drain) -> None:
        """Close the tunnels that ``order`` names, and wait until they are gone."""
        tunnels = [
            tunnel
            for tunnel in self._context.driver.tunnels()
            if (not order.peers or tunnel.passage.peer.state.number in order.peers)
            and (not order.door or tunnel.passage.door == order.door)
        ]
        when = delays(len(tunnels), rate=order.rate, jitter=order.jitter, deadline=order.deadline)
        self._closing.update(tunnels)
        await close(tunnels, when, order.closing)
        self._closing.difference_update(tunnels)

    def _beat(self) -> None:
        self._counts.beat()
        self._publish()
        self._loop.call_later(BEAT, self._beat)

    def _publish(self) -> None:
        self._counts.publish(*self._context.driver.traffic())

    async def _hand_over(self, order: messages.HandOver, fd: int) -> None:
        """Give tunnels through a socket. Raises FastwsError when they are not taken."""
        with socket.socket(fileno=fd) as sock:
            if order.leave:
                self._giving = asyncio.current_task()
                await self._leave(order.leave, sock)
            else:
                movable = (each for each in self._roaming() if each.movable)
                await handover.give(sock, list(islice(movable, order.most)))

    async def _leave(self, seconds: float, sock: socket.socket | None = None) -> None:
        """Accept no more, and wait so long for what is under way; all that can goes by ``sock``."""
        self._acceptors.close()
        self._context.leave()
        driver = self._context.driver
        deadline = self._loop.time() + seconds
        while self._context.leaving:
            gone = await handover.give(sock, self._roaming()) if sock else 0
            waiting = self._counts.connections > len(driver) and self._loop.time() < deadline
            if not gone and not waiting:  # one may open while others move
                return
            await asyncio.sleep(_LOOK)

    def _roaming(self) -> list[LegTunnel]:
        """Return the tunnels that may go elsewhere."""
        return [each for each in self._context.driver.tunnels() if each not in self._closing]

    async def _take_over(self, fd: int) -> None:
        """Take tunnels through a socket. Raises FastwsError when that fails."""
        context = self._context
        with socket.socket(fileno=fd) as sock:
            if context.sockets is None:
                raise FastwsError("the transport driver takes no tunnels")
            arrivals = Arrivals(context)
            await handover.take(sock, context.driver, context.sockets, arrivals.passage)

    async def _stop(self, order: messages.Stop) -> None:
        """Stop as ``order`` says; one that comes later takes the place of one under way."""
        if self._stopping:
            self._stopping.cancel()
        self._stopping = asyncio.current_task()
        context = self._context
        context.drain()
        self._acceptors.close()
        self._give_up()
        tunnels = context.driver.tunnels()
        when = delays(len(tunnels), rate=0, jitter=order.spread, deadline=order.spread)
        self._tasks.run(close(tunnels, when, order.closing))
        if self._counts.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(context.none_left.wait(), order.spread + order.timeout)
        context.driver.abort()
        await asyncio.sleep(0)
        self._over.set()

    # private

    def _settings(self, plan: Plan) -> Settings:
        states = {
            name: tuple(self._counts.peer(number) for number in numbers)
            for name, numbers in plan.peers.items()
        }
        try:
            return Settings(
                plan.config,
                states=states,
                page=plan.page,
                files=self._logs.files,
                board=self._counts.board,
            )
        except OSError as error:
            raise FastwsError(f"cannot read tls_ca: {error.strerror or error}") from error

    def _say(self, news: messages.News) -> None:
        # One who does not hear it hears of our end.
        with suppress(OSError):
            self._channel.send(msgspec.json.encode(news))


def _check_count(order: messages.Order, descriptors: list[int]) -> None:
    """Raise FastwsError, and close them, if there are fewer than ``order`` comes with."""
    if len(descriptors) < order.descriptors:  # the system gives no more than we may have
        for fd in descriptors:
            os.close(fd)
        raise FastwsError("a worker has no descriptors left")


def _most_connections() -> int:
    """How many downstream connections there are descriptors for."""
    return max(1, (most_descriptors() - _OWN_DESCRIPTORS) // _DESCRIPTORS_PER_CONNECTION)
