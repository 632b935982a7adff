"""A worker: one process, one loop; it serves by a plan, and does what the supervisor says."""

import asyncio
import gc
import resource
import socket
import sys
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import uvloop

from fastws._board import WorkerCounts
from fastws.errors import FastwsError
from fastws.observe.log import Log
from fastws.proxy.arrivals import Arrivals
from fastws.proxy.context import Context
from fastws.proxy.settings import Settings
from fastws.server import handover, messages
from fastws.server.acceptors import Acceptors
from fastws.server.channel import Channel
from fastws.server.messages import Plan

# RFC 6455 section 7.4.1
GOING_AWAY = 1001

# Seconds between two signs of life.
BEAT = 1.0

# A connection leaves no cycles behind, so that collections only cost time: few of them do.
_COLLECT_AFTER = 50_000

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
    """What a worker serves at the beginning, and at which sockets."""

    plan: Plan
    sockets: list[socket.socket]


def main(birth: Birth, counts: WorkerCounts, channel: socket.socket) -> int:
    """Serve until the supervisor says to stop, or is gone; the exit status."""
    config = birth.plan.config.log
    log = Log(sys.stderr.fileno(), config.level, config.format)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Worker(birth, counts, log).live(channel))
    except Exception as error:  # noqa: BLE001 - nobody above us could say it
        log.error(  # noqa: TRY400 - one line
            "fault", message="a worker cannot go on", error=repr(error)
        )
        return 1
    finally:
        log.close()
    return 0


class Worker:
    """Goes by one plan at a time."""

    _loop: asyncio.AbstractEventLoop
    _channel: Channel
    _context: Context
    _acceptors: Acceptors

    def __init__(self, birth: Birth, counts: WorkerCounts, log: Log) -> None:
        self._counts = counts
        self._log = log
        self._plan = birth.plan
        self._sockets = birth.sockets
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    async def live(self, channel: socket.socket) -> None:
        """Serve until it is over, as the supervisor says through ``channel``."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self._log_fault(context))
        self._channel = Channel(self._loop, channel, self._hear, self._orphaned)
        try:
            await self._begin()
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
        self._run(self._carry_out(_orders.decode(data), descriptors))

    async def _carry_out(self, order: messages.Order, descriptors: list[int]) -> None:
        fault = ""
        try:
            await self._obey(order, descriptors)
        except FastwsError as error:
            fault = str(error)
        self._say(messages.Done(order.number, fault))

    async def _obey(self, order: messages.Order, descriptors: list[int]) -> None:
        match order:
            case messages.HandOver():
                await self._hand_over(order, descriptors[0])
            case messages.TakeOver():
                await self._take_over(descriptors[0])
            case messages.Stop():
                await self._stop(order)
            case messages.Report():
                self._publish()

    def _orphaned(self) -> None:
        """Without a supervisor nobody would know of us."""
        seconds = self._plan.config.drain.timeout
        self._run(self._stop(messages.Stop(0, GOING_AWAY, "shutting down", 0, seconds)))

    # what it does

    async def _begin(self) -> None:
        self._context = Context(
            self._settings(self._plan),
            self._loop,
            self._log,
            self._counts,
            most_connections=_most_connections(),
        )
        self._acceptors = Acceptors(self._context, self._plan, self._sockets)
        await self._acceptors.start()
        # What lives now lives as long as the worker: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)

    def _beat(self) -> None:
        self._counts.beat()
        self._publish()
        self._loop.call_later(BEAT, self._beat)

    def _publish(self) -> None:
        self._counts.publish(*self._context.driver.traffic())

    async def _hand_over(self, order: messages.HandOver, fd: int) -> None:
        """Give tunnels through a socket. Raises FastwsError when they are not taken."""
        driver = self._context.driver
        with socket.socket(fileno=fd) as sock:
            if order.leave:
                self._acceptors.close()
                self._context.drain()
            await handover.give(sock, driver.tunnels()[: order.most])
            deadline = self._loop.time() + order.leave
            while self._counts.connections > len(driver) and self._loop.time() < deadline:
                await asyncio.sleep(_LOOK)
                await handover.give(sock, driver.tunnels())

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
        for sock in self._sockets:
            sock.close()
        context.driver.shut_down(order.code, order.reason.encode())
        if self._counts.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(context.none_left.wait(), order.timeout)
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
            return Settings(plan.config, states=states, page=plan.page)
        except OSError as error:
            raise FastwsError(f"cannot read tls_ca: {error.strerror or error}") from error

    def _say(self, news: messages.News) -> None:
        # One who does not hear it hears of our end.
        with suppress(OSError):
            self._channel.send(msgspec.json.encode(news))

    def _run(self, doing: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _log_fault(self, context: dict[str, Any]) -> None:
        """Log what no code of ours caught; the connection that it happened on is over."""
        error = context.get("exception")
        self._log.error(
            "fault", message=context.get("message", ""), error=repr(error) if error else ""
        )


def _most_connections() -> int:
    """How many downstream connections there are descriptors for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    current, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if current == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, (current - _OWN_DESCRIPTORS) // _DESCRIPTORS_PER_CONNECTION)
