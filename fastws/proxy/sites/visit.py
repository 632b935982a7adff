"""One request on its way through a site: what steps change, and what variables are read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.errors import Reject
from fastws.protocol.target import normal_path
from fastws.proxy.sites import lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    import regex

    from fastws.config import model
    from fastws.protocol.head import RequestHead, ResponseHead
    from fastws.protocol.torn import Torn
    from fastws.proxy.decision import Forward, Incoming, Reply
    from fastws.proxy.sites.actions import Action
    from fastws.proxy.sites.site import Site
    from fastws.proxy.trace import Record

# nginx's: so often a request may be sent to another location.
_MOST_TURNS = 10


class Visit:
    """What is known of a request at a site.

    ``host`` and ``port`` are the client's, which a trusted peer's header may have named. ``path``
    is empty until it is read, then decoded and normal, until steps rewrite it; ``values`` are the
    variables that were set or looked up; ``match`` is that of the last pattern.
    """

    __slots__ = (
        "action",
        "added",
        "args",
        "changed",
        "error_status",
        "hidden",
        "host",
        "in_error",
        "in_location",
        "incoming",
        "internal",
        "listener",
        "match",
        "method",
        "path",
        "port",
        "proxy_host",
        "proxy_port",
        "request",
        "response",
        "rewritten",
        "site",
        "status",
        "trace",
        "turns",
        "values",
    )

    action: Action

    def __init__(self, incoming: Incoming, site: Site, host: str, port: int) -> None:
        self.incoming = incoming
        # What is logged is read when the connection may be closed, or have another request.
        self.request: RequestHead | Torn = incoming.request
        self.method: bytes = self.request.method
        self.trace = incoming.trace
        self.listener = incoming.downstream.listener
        self.site = site
        self.action = site.action
        self.host = host
        self.port = port
        self.path: bytes = b""
        self.args: bytes = self.request.target.partition(b"?")[2]
        self.values: dict[str, bytes] = {}
        self.match: regex.Match[bytes] | None = None
        self.changed = False  # a step gave it a path that wants another location
        self.rewritten = False  # the target is not the client's any more
        self.internal = False
        self.in_location = True  # the location's path is the beginning of the path
        self.in_error = False  # an error page was asked for
        self.error_status: int | None = None  # what the client gets instead of the answer's
        self.turns = _MOST_TURNS
        self.proxy_host: bytes = b""
        self.proxy_port: bytes = b""
        self.response: ResponseHead | None = None
        # The headers of our own in the answer, and those of the upstream that do not go on.
        self.added: Sequence[tuple[bytes, bytes]] = ()
        self.hidden: AbstractSet[bytes] = frozenset()
        self.status = 0

    def read_path(self) -> None:
        """Make the path of the target. Raises Reject (400) for one that cannot be read."""
        self.path = normal_path(self.request.target)

    @property
    def client(self) -> tuple[str, int]:
        """The client's address and port."""
        return self.host, self.port

    def instead(self, status: int) -> Forward | Reply | None:
        """Return what is done in place of an error, if anything."""
        try:
            return self.site.error(self, status)
        except Reject:
            self.error_status = None
            return None  # it leads nowhere: the error stays what it is

    def headers(self, status: int) -> Sequence[tuple[bytes, bytes]]:
        """Return what the site adds to an error of our own."""
        self.status = status
        self.added = self.action.answers.added(self, status)
        return self.added

    def over(self) -> None:
        """Write the lines of a request that is over."""
        for log in self.action.access_logs:
            log.write(self)

    def record(self) -> Record | None:
        """Return what a tunnel that opens is remembered by, None if nobody wants to know."""
        return lines.record(self.action.access_logs, self)

    @property
    def quoted(self) -> bool:
        """Whether the client's path holds escapes."""
        return b"%" in self.request.target.partition(b"?")[0]

    def matches(self, pattern: model.Pattern, subject: bytes) -> bool:
        """Whether a pattern matches; its groups are then variables. Raises SlowPattern."""
        found = pattern.search(subject)
        if found is None:
            return False
        self.take(found)
        return True

    def take(self, found: regex.Match[bytes]) -> None:
        """Make variables of the groups of a match."""
        self.match = found
        for name in found.re.groupindex:
            self.values[name.lower()] = found[name] or b""

    def turn(self) -> bool:
        """Count a change of location; whether there may be one more."""
        self.turns -= 1
        return self.turns > 0

    def rewrite(self, path: bytes) -> None:
        """Put another path in place of the request's."""
        self.path = path
        self.rewritten = self.internal = True
