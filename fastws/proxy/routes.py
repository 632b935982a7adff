"""Which upstream a request goes to, and under which rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fastws.config import model
from fastws.errors import Reject
from fastws.protocol.host import host_name
from fastws.protocol.target import normal_path
from fastws.proxy.decision import Forward, Incoming
from fastws.proxy.real_address import RealAddress
from fastws.proxy.rules import tunnel_rules
from fastws.upstream.client import Request
from fastws.upstream.group import Upstream


@dataclass(slots=True, frozen=True)
class Route:
    """A configured route, and what is done with its requests."""

    forward: Forward
    path: bytes
    allowed_origins: frozenset[bytes]

    def serves(self, path: bytes) -> bool:
        """Whether ``path`` is this route's path or lies below it, segment by segment."""
        prefix = self.path
        return path.startswith(prefix) and (
            prefix.endswith(b"/") or path[len(prefix) : len(prefix) + 1] in (b"", b"/")
        )

    def allows(self, origin: bytes | None) -> bool:
        """Whether a page of ``origin`` may connect; programs that send none always may."""
        return origin is None or not self.allowed_origins or origin in self.allowed_origins


@dataclass(slots=True, frozen=True)
class _Client:
    """Who asks, whoever's the connection is."""

    host: str
    request: Request


class RouteTable:
    """All routes: an exact host goes before a wildcard, that before none; then the longest path."""

    def __init__(
        self,
        config: model.Config,
        upstreams: Mapping[str, Upstream],
        real_address: RealAddress | None = None,
    ) -> None:
        self._real_address = real_address  # of clients behind proxies that are trusted
        self._exact: dict[bytes, list[Route]] = {}
        self._wildcards: dict[bytes, list[Route]] = {}
        self._any: list[Route] = []
        by_path = sorted(config.routes, key=lambda route: len(route.path), reverse=True)
        for written in by_path:
            route = Route(
                forward=Forward(
                    upstreams[written.upstream],
                    tunnel_rules(
                        config.limits,
                        config.timeouts,
                        max_message=written.max_message,
                        validate_utf8=written.validate_utf8,
                    ),
                    config.timeouts,
                    max_body=written.max_body,
                    next_upstream=written.next_upstream,
                ),
                path=normal_path(written.path.encode()),
                allowed_origins=frozenset(origin.encode() for origin in written.allowed_origins),
            )
            for routes in self._places(written.hosts):
                routes.append(route)

    def visit(self, incoming: Incoming) -> None:
        """There are no sites."""

    def decide(self, incoming: Incoming) -> Forward:
        """Say what is done with a request.

        Raises Reject: 400 for a path that cannot be read, 403 for a handshake of a foreign origin,
        404 without a route.
        """
        request = incoming.request
        route = self.match(request.host, normal_path(request.target))
        if route is None:
            raise Reject(404, "No route serves this host and path.")
        if incoming.handshake and not route.allows(request.origin):
            raise Reject(403, "Pages of this origin may not connect here.")
        if self._real_address is None:
            return route.forward
        host, _ = self._real_address.of(incoming)
        return replace(route.forward, client=_Client(host, request))

    def match(self, host: bytes, path: bytes) -> Route | None:
        """Find the route for a Host header and a normalised path."""
        if self._exact or self._wildcards:
            for routes in self._named(host_name(host)):
                if route := _longest(routes, path):
                    return route
        return _longest(self._any, path)

    def _places(self, hosts: tuple[str, ...]) -> Iterable[list[Route]]:
        if not hosts:
            yield self._any
        for host in hosts:
            if host.startswith("*."):
                yield self._wildcards.setdefault(host[1:].encode(), [])
            else:
                yield self._exact.setdefault(host.encode(), [])

    def _named(self, name: bytes) -> Iterable[list[Route]]:
        yield self._exact.get(name, [])
        dot = name.find(b".")
        while dot >= 0:
            yield self._wildcards.get(name[dot:], [])
            dot = name.find(b".", dot + 1)


def _longest(routes: Iterable[Route], path: bytes) -> Route | None:
    """Find the first of those that serve a path, which stand by their length."""
    for route in routes:
        if route.serves(path):
            return route
    return None
