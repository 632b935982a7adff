"""Where requests are passed on to, and with which target."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastws.config import model
from fastws.errors import Reject
from fastws.proxy.sites import escapes
from fastws.upstream.group import Upstream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastws.proxy.sites.variables import Variables
    from fastws.proxy.sites.visit import Visit

_URL = re.compile(
    rb"(https?)://(?:(unix:/[^:\x00-\x20\x7f-\xff]{1,106})(?::|$)"
    rb"|([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?)([/?].*)?",
    re.IGNORECASE | re.DOTALL,
)
_PORT = re.compile(rb":(\d+)$")
_PORTS = {b"http": 80, b"https": 443}
# Hosts that URLs with variables may come to name.
_MOST_HOSTS = 1000

# An upstream, and a target; None: the client's own.
Way = Callable[["Visit"], tuple[Upstream, bytes | None]]


class Ways:
    """Makes the functions that say where a request goes."""

    def __init__(self, upstreams: Mapping[str, Upstream], variables: Variables) -> None:
        self._upstreams = upstreams
        self._variables = variables
        self._hosts: dict[model.Address, Upstream] = {}

    def make(self, forward: model.Pass, size: int) -> Way:
        """Return the function for a location whose path has ``size`` bytes."""
        return self._by_url(forward) if forward.url else self._straight(forward, size)

    def _straight(self, forward: model.Pass, size: int) -> Way:
        upstream = self._upstreams[forward.upstream]
        host = forward.host.encode()
        port = match[1] if (match := _PORT.search(host)) else b"80"
        uri = forward.uri.encode()

        def go(visit: Visit) -> tuple[Upstream, bytes | None]:
            visit.proxy_host = host
            visit.proxy_port = port
            return upstream, _target(visit, uri, size)

        return go

    def _by_url(self, forward: model.Pass) -> Way:
        url = self._variables.text(forward.url)

        def go(visit: Visit) -> tuple[Upstream, bytes | None]:
            match = _URL.fullmatch(url(visit))
            scheme, path, host, port, uri = match.groups(b"") if match else (b"",) * 5
            number = int(port) if port else _PORTS.get(scheme.lower(), 0)
            if not 0 < number <= 65535:
                raise Reject(500, "The proxy's configuration leads to no address.")
            tls = scheme.lower() == b"https"
            visit.proxy_port = b"%d" % number
            visit.proxy_host = b"localhost" if path else host
            if number != _PORTS[scheme.lower()]:
                visit.proxy_host += b":" + port
            named = None if port else self._named((path or host).decode(), tls=tls)
            upstream = named or self._host(
                model.Address(tls=tls, path=path[5:].decode())
                if path
                else model.Address(tls=tls, host=host.decode().strip("[]").lower(), port=number),
                forward,
            )
            if uri:
                return upstream, escapes.in_target(uri if uri.startswith(b"/") else b"/" + uri)
            return upstream, _target(visit, b"", 0)

        return go

    def _named(self, name: str, *, tls: bool) -> Upstream | None:
        """Return the upstream that a URL names, if one has this name."""
        return self._upstreams.get(f"https://{name}" if tls else name)

    def _host(self, address: model.Address, forward: model.Pass) -> Upstream:
        """Return the upstream that is a host alone."""
        found = self._hosts.get(address)
        if found is None:
            if len(self._hosts) >= _MOST_HOSTS:
                raise Reject(502, "The proxy's configuration leads to too many different hosts.")
            server = model.Server(address=address)
            found = self._hosts[address] = Upstream(
                model.Upstream(
                    name=address.authority, servers=(server,), tls_verify=forward.tls_verify
                )
            )
        return found


def _target(visit: Visit, uri: bytes, size: int) -> bytes | None:
    """Return the target for the upstream, as nginx makes it; None for the client's own.

    ``uri`` takes the place of the first ``size`` bytes of the path, the location's.
    """
    if not uri and not visit.rewritten:
        return None
    path = visit.path
    rest = path[size:] if uri and visit.in_location else path
    if visit.quoted or visit.internal:
        rest = escapes.in_path(rest)
    target = (uri if visit.in_location else b"") + rest
    if visit.args:
        target += b"?" + visit.args
    return escapes.in_target(target)
