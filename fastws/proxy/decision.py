"""What is to be done with a request: what a router says, and a session carries out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fastws.config.model import NextUpstream

if TYPE_CHECKING:
    from asyncio import Transport
    from collections.abc import Sequence

    from fastws._pipe import Rules
    from fastws.config.model import Timeouts
    from fastws.protocol.head import RequestHead, ResponseHead
    from fastws.protocol.proxy_header import ProxyHeader
    from fastws.protocol.torn import Torn
    from fastws.proxy.trace import Record, Trace
    from fastws.upstream.client import Client
    from fastws.upstream.group import Upstream


class Connection(Protocol):
    """A client's connection, as far as a router may ask."""

    @property
    def host(self) -> str:
        """The client's address; empty behind a Unix socket."""

    @property
    def port(self) -> int:
        """The client's port; 0 behind a Unix socket."""

    @property
    def announced(self) -> ProxyHeader | None:
        """What a proxy said of the connection; None where none is asked to."""

    @property
    def listener(self) -> tuple[str, int]:
        """The address and port it came to; ("", 0) for a Unix socket."""

    @property
    def tls(self) -> bool:
        """Whether it came over TLS."""

    @property
    def number(self) -> int:
        """A number that no other connection has."""

    @property
    def transport(self) -> Transport:
        """What moves its bytes."""


class Incoming(Protocol):
    """A request, as far as a router may ask."""

    @property
    def downstream(self) -> Connection:
        """Where it came from."""

    @property
    def handshake(self) -> bool:
        """Whether it opens a WebSocket; else it is plain HTTP."""

    @property
    def request(self) -> RequestHead | Torn:
        """Its head, or what came of it."""

    @property
    def trace(self) -> Trace:
        """What it has come to."""

    @property
    def intact(self) -> bool:
        """Whether it can still be passed on as it came: of its body, nothing is gone."""

    # What stands for it at its site, if a router has sites.
    visit: Visit | None


class Visit(Protocol):
    """A request at a site, as who answers it sees it; its trace says what it came to."""

    @property
    def method(self) -> bytes:
        """What an upstream is asked with: the client's method, until a page is asked for."""

    @property
    def client(self) -> tuple[str, int]:
        """The address and port of who asks, which a trusted peer may have named."""

    def read_path(self) -> None:
        """Read the path of the target. Raises Reject (400) for one that cannot be read."""

    def instead(self, status: int) -> Reply | Forward | None:
        """Return what is done in place of an error of our own, if anything."""

    def headers(self, status: int) -> Sequence[tuple[bytes, bytes]]:
        """Return what the site adds to an error of our own."""

    def over(self) -> None:
        """Write its lines in access logs."""

    def record(self) -> Record | None:
        """Return what a tunnel that opens is remembered by, None if nobody wants to know."""


class Edits(Protocol):
    """What becomes of a client's headers on the way to the upstream, instead of our own rules.

    Hop-by-hop headers never go on. What frames the body, and for a handshake Upgrade and
    Connection, is always written by us.
    """

    @property
    def lines(self) -> bytes:
        """Whole header lines that stand first."""

    @property
    def dropped(self) -> frozenset[bytes]:
        """Lower-case names of the client's headers that do not go on."""


class Answers(Protocol):
    """What becomes of the upstream's answer."""

    @property
    def status(self) -> int | None:
        """What the client gets in place of the status of an edited answer; None: that one."""

    def edit(self, head: ResponseHead) -> tuple[bytes, frozenset[bytes]]:
        """Return whole lines to add to it, and the lower-case names that do not go on."""

    def intercept(self, status: int) -> Reply | Forward | None:
        """Return what is done in place of an answer of this status, if anything."""


@dataclass(slots=True, frozen=True)
class Reply:
    """Answer it ourselves. Content-Length and Connection are added to the ``headers``."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


_DEFAULT = NextUpstream()


@dataclass(slots=True, frozen=True)
class Forward:
    """Pass it to a peer of ``upstream``; ``rules`` are those of a tunnel that comes of it.

    ``target`` takes the place of the client's own; None: that one goes on, byte for byte.
    ``edits`` are None for our own headers (X-Forwarded-For and the like). ``max_body`` is the size
    in bytes above which a request's body is refused with 413; 0: no limit. ``client`` is who the
    balancer is told of; None: who asked. ``next_upstream`` says when another peer is asked.
    """

    upstream: Upstream
    rules: Rules
    timeouts: Timeouts
    target: bytes | None = None
    edits: Edits | None = None
    answer: Answers | None = None
    max_body: int = 0
    client: Client | None = None
    next_upstream: NextUpstream = _DEFAULT


class Router(Protocol):
    """Who decides."""

    def visit(self, incoming: Incoming) -> Visit | None:
        """Return what stands for a request at a site; None where there are none. Raises Reject."""

    def decide(self, incoming: Incoming) -> Forward | Reply:
        """Say what is done with a request. Raises Reject."""
