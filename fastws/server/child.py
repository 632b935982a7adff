"""A worker, as the supervisor knows it."""

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from fastws._board import WorkerCounts
from fastws.errors import FastwsError
from fastws.server import messages
from fastws.server.channel import MOST_DESCRIPTORS, Channel
from fastws.server.messages import Door

# So many looks at it, a second apart, without a sign of life, and it hangs. Looks are counted and
# not seconds, since a machine that is halted halts all of us.
_MOST_MISSED = 10

_news = msgspec.json.Decoder(messages.News)


class Child:
    """One process; ``counts`` are its own, ``place`` says whose sockets it has.

    ``ready`` has a result when it is prepared for its first plan, or the FastwsError that keeps it
    from that; ``gone`` when it has ended.
    """

    driver = ""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pid: int,
        place: int,
        counts: WorkerCounts,
        channel: socket.socket,
    ) -> None:
        self.pid = pid
        self.place = place
        self.number = counts.number
        self.since = loop.time()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.ready.add_done_callback(asyncio.Future.exception)  # not everybody waits for it
        self.gone: asyncio.Future[None] = loop.create_future()
        self.dismissed = False  # it is to end
        self.delay = 0.0  # before another takes its place, if it dies early
        self._loop = loop
        self._counts = counts
        self._channel = Channel(loop, channel, self._hear, _nothing)
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[str]] = {}
        self._beats = 0
        self._missed = 0

    async def ask(
        self,
        order: Callable[[int], messages.Order],
        descriptors: Sequence[int] = (),
        *,
        seconds: float = 10.0,
    ) -> None:
        """Have an order carried out, which is made for a number.

        Raises FastwsError when the worker says that it cannot, ends, or takes too long.
        """
        number = next(self._numbers)
        answer = self._asked[number] = self._loop.create_future()
        try:
            self._channel.send(msgspec.json.encode(order(number)), descriptors)
            fault = await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            raise FastwsError(f"worker {self.number} does not answer") from None
        except OSError as error:
            raise FastwsError(f"worker {self.number} cannot be told: {error.strerror}") from None
        finally:
            del self._asked[number]
        if fault:
            raise FastwsError(fault)

    async def prepared(self, seconds: float) -> None:
        """Wait until it is prepared for its first plan; kill it when it is late.

        Raises FastwsError when it does not come so far.
        """
        try:
            await asyncio.wait_for(asyncio.shield(self.ready), seconds)
        except TimeoutError:
            self.kill()
            raise FastwsError(f"worker {self.number} did not begin in time") from None

    async def prepare(self, plan: int, doors: Sequence[Door]) -> None:
        """Have it prepare for another plan, that in a file. Raises FastwsError."""
        for start in range(0, len(doors), MOST_DESCRIPTORS):
            some = doors[start : start + MOST_DESCRIPTORS]
            listeners = tuple(listener for listener, _ in some)
            await self.ask(
                partial(messages.Take, listeners=listeners), [sock.fileno() for _, sock in some]
            )
        await self.ask(messages.Prepare, [plan])

    @property
    def settled(self) -> bool:
        """Whether its tunnels can move nowhere: the loop does not let go of its transports."""
        return self.driver == "transport"

    @property
    def tunnels(self) -> int:
        """How many it has open."""
        return self._counts.tunnels

    @property
    def movable(self) -> int:
        """How many of them could go to another worker, when it last reported."""
        return self._counts.movable

    @property
    def hangs(self) -> bool:
        """Whether it has given no sign of life for long; to be asked once a second."""
        beats = self._counts.beats
        self._missed = 0 if beats != self._beats else self._missed + 1
        self._beats = beats
        return self._missed >= _MOST_MISSED

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def ended(self) -> None:
        """Note that the process is no more."""
        self._channel.close()
        for future in self._asked.values():
            if not future.done():
                future.set_result(f"worker {self.number} has ended")
        if not self.ready.done():
            self.ready.set_exception(FastwsError(f"worker {self.number} ended before it began"))
        self.gone.set_result(None)

    def _hear(self, data: bytes, descriptors: list[int]) -> None:
        for fd in descriptors:
            os.close(fd)
        match _news.decode(data):
            case messages.Ready(driver):
                self.driver = driver
                if not self.ready.done():
                    self.ready.set_result(None)
            case messages.Failed(error):
                if not self.ready.done():
                    self.ready.set_exception(FastwsError(error))
            case messages.Done(number, error):
                future = self._asked.get(number)
                if future and not future.done():
                    future.set_result(error)


def _nothing() -> None:
    pass
