"""The live form of a configuration, which a reload replaces as a whole."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from fastws.proxy.routes import RouteTable
from fastws.proxy.sites.table import SiteTable
from fastws.proxy.sites.variables import Variables
from fastws.upstream.group import Upstream

if TYPE_CHECKING:
    from fastws.config.model import Config
    from fastws.proxy.decision import Router


class Settings:
    """What one configuration asks for; a request keeps to those that it began with.

    ``page`` is what a plain request for ``/`` gets, if anything. Raises OSError when a file that
    the configuration names cannot be read.
    """

    def __init__(self, config: Config, *, page: bytes | None = None) -> None:
        self.config = config
        self.page = page
        self.limits = config.limits
        self.timeouts = config.timeouts
        self.routes: Router = _sites(config) if config.sites else _routes(config)

    def trusts(self, client: str) -> bool:
        """Whether the forwarding headers of the peer at this address are believed."""
        if not self.config.trusted_proxies or not client:
            return False
        address = ip_address(client.partition("%")[0])
        return any(address in network for network in self.config.trusted_proxies)


def _routes(config: Config) -> RouteTable:
    return RouteTable(config, {each.name: Upstream(each) for each in config.upstreams})


def _sites(config: Config) -> SiteTable:
    variables = Variables(config.maps)
    upstreams = {each.name: Upstream(each, key=variables.key) for each in config.upstreams}
    return SiteTable(config, upstreams, variables)
