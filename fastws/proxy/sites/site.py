"""A virtual server: the way of a request through its steps and locations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.errors import HANG_UP, NoTlsReject, Reject
from fastws.protocol.host import host_name
from fastws.proxy.decision import Forward, Reply
from fastws.proxy.real_address import RealAddress
from fastws.proxy.sites import escapes, stub_status
from fastws.proxy.sites.locations import Location, Locations
from fastws.proxy.sites.results import BODILESS, REDIRECTS, Result, body
from fastws.proxy.sites.steps import compile_steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastws.config import model
    from fastws.proxy.decision import Incoming
    from fastws.proxy.sites.actions import Actions
    from fastws.proxy.sites.visit import Visit

_PORTS = {False: 80, True: 443}
_PLAIN_TEXT = b"text/plain"


class Site:
    """The live form of a site."""

    def __init__(self, written: model.Site, actions: Actions) -> None:
        self.variables = actions.variables
        self.name: bytes = written.name.encode()
        self.action = actions.make(written.action, 0)  # where no location has another
        self._steps = compile_steps(
            written.steps, self.variables, lambda action: actions.make(action, 0)
        )
        self._locations = Locations(written.locations, self.variables, actions)
        self._named: Mapping[bytes, Location] = {
            each.path.encode(): Location(each, self.variables, actions)
            for each in written.locations
            if each.match == "named"
        }
        self._real_address = RealAddress(written.real_address) if written.real_address else None

    def client(self, incoming: Incoming) -> tuple[str, int]:
        """Return the client's address and port, which a trusted peer's header may name."""
        if self._real_address:
            return self._real_address.of(incoming)
        return incoming.downstream.host, incoming.downstream.port

    def serve(self, visit: Visit) -> Forward | Reply:
        """Say what is done with a request."""
        visit.action = self.action
        if self._steps:
            outcome = self._steps(visit)
            if isinstance(outcome, Result):
                return self._finish(visit, outcome)
        return self._locate(visit)

    def error(self, visit: Visit, status: int) -> Forward | Reply | None:
        """Say what the error page for a status leads to; None if there is none."""
        page = None if visit.in_error else visit.action.answers.error_pages.get(status)
        if page is None:
            return None
        visit.in_error = True
        visit.error_status = 400 if status == NoTlsReject.page else status
        if page.status is not None:
            visit.error_status = page.status or None
        to = page.to(visit)
        if to.startswith(b"/"):
            visit.method = b"HEAD" if visit.method == b"HEAD" else b"GET"
            return self._redirect(visit, to)
        if to.startswith(b"@"):
            decision = self._go_to(visit, to)
            if isinstance(decision, Forward) and not visit.incoming.intact:
                raise Reject(status, "Another upstream cannot be asked: the body is gone.")
            return decision
        code = page.status if page.status in REDIRECTS else 302
        visit.error_status = None
        return self._reply(visit, Result(code or 302, location=to))

    def _locate(self, visit: Visit) -> Forward | Reply:
        """Find the location of a path, and go on there."""
        visit.changed = False
        location, _ = self._locations.find(visit)
        if location is None:
            return self._serve_here(visit)
        if location.internal and not visit.internal:
            return self._finish(visit, Result(404))
        visit.action = location.action_for(visit.method)
        if location.slashed and len(location.path) > len(visit.path):
            slashed = escapes.in_path(location.path)
            args = b"?" + visit.args if visit.args else b""
            return self._finish(visit, Result(301, location=slashed + args))
        return self._enter(visit, location)

    def _enter(self, visit: Visit, location: Location) -> Forward | Reply:
        """Do a location's steps, and what they lead to."""
        steps = location.steps_for(visit.method)
        if steps:
            outcome = steps(visit)
            if isinstance(outcome, Result):
                return self._finish(visit, outcome)
            if visit.changed:
                if not visit.turn():
                    return self._finish(visit, Result(500))
                visit.action = self.action
                return self._locate(visit)
        return self._serve_here(visit)

    def _serve_here(self, visit: Visit) -> Forward | Reply:
        action = visit.action
        if not action.admits(visit):
            return self._finish(visit, Result(403))
        if action.passes_on:
            return action.forward(visit)
        if action.counts:
            page = stub_status.text(action.counts)
            return self._finish(visit, Result(200, page, kind=_PLAIN_TEXT))
        return self._otherwise(visit)

    def _otherwise(self, visit: Visit) -> Forward | Reply:
        """Go on where requests are sent that are not passed on."""
        action = visit.action
        if action.otherwise is None:
            return self._finish(visit, Result(404))
        to = action.otherwise(visit)
        if to.startswith(b"="):
            code = to[1:]
            return self._finish(visit, Result(int(code) if code.isdigit() else 500))
        if to.startswith(b"@"):
            return self._go_to(visit, to)
        return self._redirect(visit, to)

    def _redirect(self, visit: Visit, to: bytes) -> Forward | Reply:
        """Begin anew with another path, as nginx's internal redirects do."""
        if not visit.turn():
            return self._finish(visit, Result(500))
        path, _, visit.args = to.partition(b"?")
        visit.rewrite(path)
        visit.in_location = True
        return self.serve(visit)

    def _go_to(self, visit: Visit, name: bytes) -> Forward | Reply:
        """Go on in a named location."""
        location = self._named.get(name)
        if location is None or not visit.turn():
            return self._finish(visit, Result(500))
        visit.internal = True
        visit.changed = False
        visit.action = location.action_for(visit.method)
        return self._enter(visit, location)

    def _finish(self, visit: Visit, result: Result) -> Forward | Reply:
        """Answer with a result, unless an error page is there for it."""
        if result.text is None:
            instead = self.error(visit, result.status)
            if instead is not None:
                return instead
            visit.error_status = None  # where a page leads to another error, it is that one
        return self._reply(visit, result)

    def _reply(self, visit: Visit, result: Result) -> Reply:
        action = visit.action
        status = result.status if visit.error_status is None else visit.error_status
        if status == HANG_UP:
            raise Reject(HANG_UP, "The configuration says to hang up.")
        text = body(status) if result.text is None else result.text
        headers: list[tuple[bytes, bytes]] = []
        if result.location:
            headers.append((b"Location", self.absolute(visit, result.location)))
        if status not in BODILESS:
            kind = action.default_type if result.text is not None else _PLAIN_TEXT
            headers.append((b"Content-Type", result.kind or kind))
        visit.status = status
        headers += action.answers.added(visit, status)
        visit.added = headers
        return Reply(status, tuple(headers), text)

    def absolute(self, visit: Visit, location: bytes) -> bytes:
        """Return the address of a redirect; nginx too makes a path a whole address."""
        location = escapes.in_target(location)
        action = visit.action
        if not location.startswith(b"/") or not action.absolute_redirect:
            return location
        downstream = visit.incoming.downstream
        hosts = visit.request.values(b"host")
        host = host_name(hosts[0]) if hosts else b""
        if action.server_name_in_redirect or not host:
            host = self.name or downstream.listener[0].encode()
        scheme = b"https" if downstream.tls else b"http"
        port = downstream.listener[1]
        if action.port_in_redirect and port and port != _PORTS[downstream.tls]:
            host += b":%d" % port
        return b"%b://%b%b" % (scheme, host, location)
