"""What all connections of a worker share."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from fastws._driver import Driver
from fastws.proxy.drivers import bare_sockets
from fastws.proxy.watchdog import Watchdog
from fastws.upstream.connector import Connector

if TYPE_CHECKING:
    from fastws.config.model import Timeouts
    from fastws.observe.access_log import AccessLog
    from fastws.proxy.downstream import Downstream
    from fastws.proxy.settings import Settings


class Context:
    """What lives as long as the worker, and ``settings``, which may be replaced.

    ``most_connections`` is the number of downstream connections above which new ones are turned
    away.
    """

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        access_log: AccessLog,
        *,
        most_connections: int,
    ) -> None:
        timeouts = settings.timeouts
        self.settings = settings
        self.loop = loop
        self.access_log = access_log
        self.watchdog = Watchdog(loop)
        self.driver = Driver(loop, interval=_interval(timeouts))
        self.sockets = bare_sockets(settings.config.driver, self.driver)
        self.connector = Connector(loop, self.sockets, stall=timeouts.stall)
        self.numbers = itertools.count(1)
        self.draining = False
        self.idle: set[Downstream] = set()  # those on which no request is under way
        self.connections = 0
        self.none_left = asyncio.Event()
        self._most_connections = most_connections

    @property
    def full(self) -> bool:
        """Whether there are more connections than descriptors can be found for."""
        return self.connections > self._most_connections

    def drain(self) -> None:
        """Take no more requests, and close the connections that have none."""
        self.draining = True
        for downstream in list(self.idle):
            downstream.dismiss()

    def opened(self) -> None:
        """Count a downstream connection."""
        self.connections += 1

    def closed(self) -> None:
        """Count it out."""
        self.connections -= 1
        if self.draining and self.connections == 0:
            self.none_left.set()


def _interval(timeouts: Timeouts) -> float:
    """How often tunnels look at the clock: four times in the shortest time limit."""
    limits = (timeouts.idle, timeouts.stall, timeouts.close, timeouts.linger, timeouts.ping)
    return min(1.0, max(0.05, min(limit for limit in limits if limit) / 4))
