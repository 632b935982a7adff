"""The live form of a configuration, which a reload replaces as a whole."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from fastws._board import Board
from fastws.config import model
from fastws.protocol.host import written
from fastws.proxy.real_address import RealAddress
from fastws.proxy.routes import RouteTable
from fastws.proxy.sites.table import SiteTable
from fastws.proxy.sites.variables import Variables
from fastws.upstream.group import Upstream
from fastws.upstream.key import compile_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from fastws._board import PeerState
    from fastws.observe.files import LogFiles
    from fastws.proxy.decision import Incoming, Router


class Settings:
    """What one configuration asks for; a request keeps to those that it began with.

    ``states`` are those of the servers of each upstream, by its name and in their order. ``page``
    is what a plain request for ``/`` gets, if anything. ``files`` are those of access logs, without
    which nothing is written there, and ``board`` is what stub_status tells of. Raises OSError when
    a file that the configuration names cannot be read, and FastwsError when one cannot be written
    to.
    """

    def __init__(
        self,
        config: model.Config,
        *,
        states: Mapping[str, Sequence[PeerState]] = MappingProxyType({}),
        page: bytes | None = None,
        files: LogFiles | None = None,
        board: Board | None = None,
    ) -> None:
        self.config = config
        self.page = page
        self.limits = config.limits
        self.timeouts = config.timeouts
        trusted = config.trusted_proxies
        self._real_address = RealAddress(_forwarded_for(trusted)) if trusted else None
        self.routes = self._router(states, files, board or Board(1, 1, 0))

    def client(self, incoming: Incoming) -> str:
        """Return who a request is from, where a trusted proxy says so; nothing where none does."""
        return written(*self._real_address.of(incoming)) if self._real_address else ""

    def trusts(self, client: str) -> bool:
        """Whether the forwarding headers of the peer at this address are believed."""
        return self._real_address is not None and self._real_address.trusts(client)

    def _router(
        self,
        states: Mapping[str, Sequence[PeerState]],
        files: LogFiles | None,
        board: Board,
    ) -> Router:
        config = self.config
        variables = Variables(config.maps)
        key = variables.key if config.sites else compile_key
        upstreams = {
            upstream.name: Upstream(upstream, states.get(upstream.name, ()), key=key)
            for upstream in config.upstreams
        }
        if config.sites:
            return SiteTable(config, upstreams, variables, files, board)
        return RouteTable(config, upstreams, self._real_address)


def _forwarded_for(trusted: tuple[IPv4Network | IPv6Network, ...]) -> model.RealAddress:
    return model.RealAddress(trusted=trusted, header="x-forwarded-for", recursive=True)
