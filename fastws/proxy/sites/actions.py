"""What is done with a request once its location is known: refuse it, send it on, pass it on."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from fastws.proxy.decision import Forward
from fastws.proxy.rules import tunnel_rules
from fastws.proxy.sites.answers import Answer, Answers
from fastws.proxy.sites.headers import HeaderLines
from fastws.proxy.sites.lines import AccessLog

if TYPE_CHECKING:
    from fastws._board import Board
    from fastws._pipe import Rules
    from fastws.config import model
    from fastws.observe.files import LogFiles
    from fastws.proxy.sites.variables import Variables
    from fastws.proxy.sites.visit import Visit
    from fastws.proxy.sites.ways import Ways


class Actions:
    """Makes the live forms of actions."""

    def __init__(
        self,
        config: model.Config,
        ways: Ways,
        variables: Variables,
        files: LogFiles | None,
        board: Board,
    ) -> None:
        self.board = board
        self.access_logs = {
            each.name: AccessLog(each, variables, files) for each in config.access_logs if files
        }
        self.variables = variables
        self.ways = ways
        self._config = config

    def make(self, written: model.Action, size: int) -> Action:
        """Return the live form of an action; ``size`` is that of its location's path."""
        return Action(written, self, size)

    def timeouts(self, written: model.Action) -> model.Timeouts:
        """Return an action's time limits."""
        return written.timeouts or self._config.timeouts

    def rules(self, timeouts: model.Timeouts) -> Rules:
        """Return the rules of tunnels."""
        return tunnel_rules(self._config.limits, timeouts)


class Action:
    """The live form of an action."""

    def __init__(self, written: model.Action, actions: Actions, size: int) -> None:
        variables = actions.variables
        logs = actions.access_logs
        self.access_logs = [logs[name] for name in written.access_logs if name in logs]
        self.counts = actions.board if written.stub_status else None  # what it tells of
        self.access = written.access
        self.otherwise = variables.text(written.otherwise) if written.otherwise else None
        self.default_type = written.default_type.encode()
        self.absolute_redirect = written.absolute_redirect
        self.port_in_redirect = written.port_in_redirect
        self.server_name_in_redirect = written.server_name_in_redirect
        self.answers = Answers(written, variables)
        self.max_body = written.max_body
        self._next_upstream = written.next_upstream
        self.timeouts = actions.timeouts(written)
        self._rules = actions.rules(self.timeouts)
        self._way = actions.ways.make(written.forward, size) if written.forward else None
        self._headers = HeaderLines(written.set_headers, variables)

    @property
    def passes_on(self) -> bool:
        """Whether requests go to an upstream."""
        return self._way is not None

    def admits(self, visit: Visit) -> bool:
        """Whether a client may come, and with what it wants: WebSockets may be unwanted."""
        if visit.incoming.handshake and self.passes_on and not self._headers.takes_websockets:
            return False
        return self._allows(visit.host)

    def _allows(self, host: str) -> bool:
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
            next_upstream=self._next_upstream,
        )
