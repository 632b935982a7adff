"""All sites: which one a request is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.protocol.host import host_name
from fastws.proxy.sites.actions import Actions
from fastws.proxy.sites.hosts import Hosts
from fastws.proxy.sites.site import Site
from fastws.proxy.sites.visit import Visit
from fastws.proxy.sites.ways import Ways

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastws._board import Board
    from fastws.config import model
    from fastws.observe.files import LogFiles
    from fastws.proxy.decision import Forward, Incoming, Reply
    from fastws.proxy.sites.variables import Variables
    from fastws.upstream.group import Upstream

_Place = tuple[str, int]


class _Sites:
    """The sites at one address."""

    def __init__(self, found: Sequence[tuple[model.Site, Site]], default: Site) -> None:
        self.default = default
        self.by_host = Hosts((written.hosts, site) for written, site in found)


class SiteTable:
    """All sites of a configuration, by the addresses that they are at."""

    def __init__(
        self,
        config: model.Config,
        upstreams: Mapping[str, Upstream],
        variables: Variables,
        files: LogFiles | None,
        board: Board,
    ) -> None:
        actions = Actions(config, Ways(upstreams, variables), variables, files, board)
        self._sites = [(written, Site(written, actions)) for written in config.sites]
        self._everywhere = _Sites(self._sites, self._sites[0][1])
        self._at: dict[_Place, _Sites] = {}
        for place in {_place(each) for written in config.sites for each in written.addresses}:
            self._at[place] = self._sites_at(place)

    def visit(self, incoming: Incoming) -> Visit:
        """Return what stands for a request at its site, which has no path yet.

        Raises Reject: 500 for a name of a site whose pattern takes too long.
        """
        sites = self._at_listener(incoming.downstream.listener)
        hosts = incoming.request.values(b"host")
        found = sites.by_host.find(host_name(hosts[0]) if hosts else b"")
        site, match = found or (sites.default, None)
        visit = Visit(incoming, site, *site.client(incoming))
        if match:
            visit.take(match)
        return visit

    def decide(self, incoming: Incoming) -> Forward | Reply:
        """Say what is done with a request.

        Raises Reject: 400 for a path that cannot be read, 500 and 502 for a configuration that
        leads this request nowhere.
        """
        visit = incoming.visit = self.visit(incoming)
        visit.read_path()
        return visit.site.serve(visit)

    def _at_listener(self, place: _Place) -> _Sites:
        """Return the sites at a connection's address: its own, or those at all of the machine."""
        at = self._at
        host, port = place
        wildcard = "::" if ":" in host else "0.0.0.0"
        return at.get(place) or at.get((wildcard, port)) or at.get(("", port)) or self._everywhere

    def _sites_at(self, place: _Place) -> _Sites:
        found = [
            (written, site)
            for written, site in self._sites
            if any(_place(each) == place for each in written.addresses)
        ]
        default = next(
            (
                site
                for written, site in found
                if any(_place(each) == place for each in written.default_at)
            ),
            found[0][1],
        )
        return _Sites(found, default)


def _place(address: model.Address) -> _Place:
    return (address.host, address.port)
