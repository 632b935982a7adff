"""What all connections of a worker share."""

import asyncio
import itertools
from ipaddress import ip_address

from fastws._driver import Driver
from fastws.config.model import Config
from fastws.observe.access_log import AccessLog
from fastws.proxy.drivers import bare_sockets
from fastws.proxy.routes import RouteTable
from fastws.proxy.watchdog import Watchdog
from fastws.upstream.connector import Connector
from fastws.upstream.group import Upstream


class Context:
    """The live form of a configuration, and the count of connections.

    ``page`` is what a plain request for ``/`` gets, if anything. ``most_connections`` is the
    number of downstream connections above which new ones are turned away.
    """

    def __init__(
        self,
        config: Config,
        loop: asyncio.AbstractEventLoop,
        access_log: AccessLog,
        *,
        most_connections: int,
        page: bytes | None = None,
    ) -> None:
        upstreams = {upstream.name: Upstream(upstream) for upstream in config.upstreams}
        self.loop = loop
        self.access_log = access_log
        self.page = page
        self.limits = config.limits
        self.timeouts = config.timeouts
        self.routes = RouteTable(config, upstreams)
        self.watchdog = Watchdog(loop)
        self.driver = Driver(loop, interval=_interval(config))
        self.sockets = bare_sockets(config.driver, self.driver)
        self.connector = Connector(loop, self.sockets, stall=config.timeouts.stall)
        self.numbers = itertools.count(1)
        self.draining = False
        self.connections = 0
        self.none_left = asyncio.Event()
        self._trusted = config.trusted_proxies
        self._most_connections = most_connections

    @property
    def full(self) -> bool:
        """Whether there are more connections than descriptors can be found for."""
        return self.connections > self._most_connections

    def opened(self) -> None:
        """Count a downstream connection."""
        self.connections += 1

    def closed(self) -> None:
        """Count it out."""
        self.connections -= 1
        if self.draining and self.connections == 0:
            self.none_left.set()

    def trusts(self, client: str) -> bool:
        """Whether the forwarding headers of the peer at this address are believed."""
        if not self._trusted or not client:
            return False
        address = ip_address(client.partition("%")[0])
        return any(address in network for network in self._trusted)


def _interval(config: Config) -> float:
    """How often tunnels look at the clock: four times in the shortest time limit."""
    timeouts = config.timeouts
    limits = (timeouts.idle, timeouts.stall, timeouts.close, timeouts.linger)
    return min(1.0, max(0.05, min(limit for limit in limits if limit) / 4))
