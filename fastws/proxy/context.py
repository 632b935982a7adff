"""What all connections of a worker share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from fastws._driver import Driver
from fastws.observe.access_log import AccessLog
from fastws.proxy.drivers import bare_sockets
from fastws.proxy.turns import Turns
from fastws.proxy.watchdog import Watchdog
from fastws.upstream.connector import Connector

if TYPE_CHECKING:
    from fastws._board import WorkerCounts
    from fastws.config.model import Timeouts
    from fastws.observe.files import LogFiles
    from fastws.proxy.settings import Settings


# TLS handshakes that begin in one turn; each takes a millisecond or so.
_HANDSHAKES = 4


class Resting(Protocol):
    """A connection on which no request is under way."""

    def hurry(self) -> None:
        """Close it, or have one request come soon if it was made for that."""

    def dismiss(self) -> None:
        """Close it."""


class Context:
    """What lives as long as the worker, and ``settings``, which may be replaced.

    ``counts`` are this worker's. ``most_connections`` is the number of downstream connections above
    which it turns new ones away.
    """

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        log_files: LogFiles,
        counts: WorkerCounts,
        *,
        most_connections: int,
    ) -> None:
        timeouts = settings.timeouts
        self.settings = settings
        self.loop = loop
        self.board = counts.board
        self.counts = counts
        self.access_log = AccessLog(log_files.log, counts)
        self.log_files = log_files
        self.watchdog = Watchdog(loop)
        self.driver = Driver(loop, interval=_interval(timeouts))
        self.sockets = bare_sockets(settings.config.driver, self.driver)
        self.connector = Connector(loop, self.sockets, stall=timeouts.stall)
        self.leaving = False  # no request follows another
        self.draining = False  # none begins at all
        self.handshakes = Turns(loop, _HANDSHAKES)
        self.idle: set[Resting] = set()
        self.none_left = asyncio.Event()
        self._most_connections = most_connections

    @property
    def full(self) -> bool:
        """Whether there are more connections than are allowed, or descriptors can be found for."""
        allowed = self.settings.limits.connections
        return self.counts.connections > self._most_connections or bool(
            allowed and self.board.connections() > allowed
        )

    def replace_settings(self, settings: Settings) -> None:
        """Let what begins from now on go by other settings."""
        self.settings = settings
        self.driver.interval = _interval(settings.timeouts)
        self.connector.stall = settings.timeouts.stall

    def leave(self) -> None:
        """Let each connection have the request that it is about, or was made for, and no other."""
        self.leaving = True
        for downstream in list(self.idle):
            downstream.hurry()

    def stay(self) -> None:
        """Let requests follow one another again."""
        self.leaving = False

    def drain(self) -> None:
        """Take no more requests, and close the connections that have none."""
        self.leaving = self.draining = True
        for downstream in list(self.idle):
            downstream.dismiss()

    def rests(self, connection: Resting) -> None:
        """Note that a connection has no request under way."""
        self.idle.add(connection)
        self.counts.wait(len(self.idle))

    def works(self, connection: Resting) -> None:
        """Note that it has one, or is over."""
        self.idle.discard(connection)
        self.counts.wait(len(self.idle))

    def opened(self) -> None:
        """Count a downstream connection."""
        self.counts.connection_opened()

    def closed(self) -> None:
        """Count it out."""
        self.counts.connection_closed()
        if self.draining and self.counts.connections == 0:
            self.none_left.set()


def _interval(timeouts: Timeouts) -> float:
    """How often tunnels look at the clock: four times in the shortest time limit."""
    limits = (timeouts.idle, timeouts.stall, timeouts.close, timeouts.linger, timeouts.ping)
    return min(1.0, max(0.05, min(limit for limit in limits if limit) / 4))
