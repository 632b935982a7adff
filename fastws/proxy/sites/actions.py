"""What is done with a request once its location is known: refuse it, send it on, pass it on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING

from fastws._relay import Rules
from fastws.config import model
from fastws.errors import Reject
from fastws.proxy.decision import Forward
from fastws.proxy.sites import escapes
from fastws.proxy.sites.answers import Answer, Answers
from fastws.proxy.sites.headers import HeaderLines
from fastws.upstream.group import Upstream

if TYPE_CHECKING:
    from fastws.proxy.sites.variables import Variables
    from fastws.proxy.sites.visit import Visit

_URL = re.compile(
    rb"(https?)://(?:(unix:[^:]+):?|([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?)([/?].*)?",
    re.IGNORECASE | re.DOTALL,
)
_PORTS = {b"http": 80, b"https": 443}
# Hosts that URLs with variables may come to name.
_MOST_HOSTS = 1000

Way = Callable[["Visit"], tuple[Upstream, bytes | None]]


class Actions:
    """Makes the live forms of actions."""

    def __init__(
        self, config: model.Config, upstreams: Mapping[str, Upstream], variables: Variables
    ) -> None:
        self.variables = variables
        self._config = config
        self._upstreams = upstreams
        self._hosts: dict[tuple[str, bool], Upstream] = {}


    def make(self, written: model.Action, size: int) -> Action:
        """Return the live form of an action; ``size`` is that of its location's path."""
        return Action(written, self, size)

    def timeouts(self, written: model.Action) -> model.Timeouts:
        """Return an action's time limits."""
        return written.timeouts or self._config.timeouts

    def rules(self, timeouts: model.Timeouts) -> Rules:
        """Return the rules of tunnels."""
        return Rules(
            queued_bytes=self._config.limits.queued_bytes,
            idle=timeouts.idle,
            stall=timeouts.stall,
            close=timeouts.close,
            linger=timeouts.linger,
        )

    def way(self, forward: model.Pass, size: int) -> Way:
        """Return the function that says where a request goes, and with which target.

        A target of None is the client's own.
        """
        if forward.url:
            return self._way_by_url(forward)
        upstream = self._upstreams[forward.upstream]
        host = forward.host.encode()
        port = host.rpartition(b":")[2] if re.search(rb":\d+$", host) else b"80"
        uri = forward.uri.encode()

        def go(visit: Visit) -> tuple[Upstream, bytes | None]:
            visit.proxy_host = host
            visit.proxy_port = port
            return upstream, _target(visit, uri, size)

        return go

    def _way_by_url(self, forward: model.Pass) -> Way:
        url = self.variables.text(forward.url)

        def go(visit: Visit) -> tuple[Upstream, bytes | None]:
            match = _URL.fullmatch(url(visit))
            if match is None:
                raise Reject(500, "The proxy's configuration leads to no address.")
            scheme, path, host, port, uri = match.groups(b"")
            scheme = scheme.lower()
            number = int(port or _PORTS[scheme])
            default = number == _PORTS[scheme]
            visit.proxy_host = b"localhost" if path else host if default else host + b":" + port
            visit.proxy_port = b"" if path else b"%d" % number
            upstream = self._host(path or host, number, port, scheme == b"https", forward)
            if uri:
                return upstream, escapes.in_target(uri if uri.startswith(b"/") else b"/" + uri)
            return upstream, _target(visit, b"", 0)

        return go

    def _host(
        self, name: bytes, number: int, port: bytes, tls: bool, forward: model.Pass  # noqa: FBT001
    ) -> Upstream:
        text = name.decode()
        if not port and (known := self._upstreams.get(f"https://{text}" if tls else text)):
            return known
        is_path = text.startswith("unix:")
        place = (text if is_path else f"{text}:{number}", tls)
        found = self._hosts.get(place)
        if found is None:
            if len(self._hosts) >= _MOST_HOSTS:
                raise Reject(502, "The proxy's configuration leads to too many different hosts.")
            address = (
                model.Address(tls=tls, path=text.removeprefix("unix:"))
                if is_path
                else model.Address(tls=tls, host=text.strip("[]").lower(), port=number)
            )
            found = self._hosts[place] = Upstream(
                model.Upstream(
                    name=place[0],
                    servers=(model.Server(address=address),),
                    tls_verify=forward.tls_verify,
                )
            )
        return found


class Action:
    """The live form of an action."""

    def __init__(self, written: model.Action, actions: Actions, size: int) -> None:
        variables = actions.variables
        self.access = written.access
        self.otherwise = variables.text(written.otherwise) if written.otherwise else None
        self.default_type = written.default_type.encode()
        self.absolute_redirect = written.absolute_redirect
        self.port_in_redirect = written.port_in_redirect
        self.server_name_in_redirect = written.server_name_in_redirect
        self.answers = Answers(written, variables)
        self.max_body = written.max_body
        self.timeouts = actions.timeouts(written)
        self._rules = actions.rules(self.timeouts)
        self._way = actions.way(written.forward, size) if written.forward else None
        self._headers = HeaderLines(written.set_headers, variables)

    @property
    def passes_on(self) -> bool:
        """Whether requests go to an upstream."""
        return self._way is not None

    def allows(self, host: str) -> bool:
        """Whether the client at an address may come; it is empty behind a Unix socket."""
        if not self.access:
            return True
        address = ip_address(host.partition("%")[0]) if host else None
        for rule in self.access:
            network = rule.network
            if network is None or (network == "unix:" and address is None):
                return rule.allow
            if address is not None and not isinstance(network, str) and address in network:
                return rule.allow
        return True

    def forward(self, visit: Visit) -> Forward:
        """Return how a request is passed on. Raises Reject when it leads nowhere."""
        assert self._way is not None  # noqa: S101 - see passes_on
        upstream, target = self._way(visit)
        return Forward(
            upstream,
            self._rules,
            timeouts=self.timeouts,
            target=target,
            edits=self._headers.edits(visit),
            answer=Answer(self.answers, visit),
            max_body=self.max_body,
            client=visit,
        )


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
