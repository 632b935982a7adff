"""A request as a router sees it, without a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.config.model import Limits
from fastws.protocol.head import RequestHead
from fastws.proxy.trace import Trace

if TYPE_CHECKING:
    from asyncio import Transport

    from fastws.protocol.proxy_header import ProxyHeader
    from fastws.proxy.decision import Visit


class Connection:
    """A connection from a client at this address."""

    port = 50000
    number = 1
    transport: Transport

    def __init__(self, host: str, listener: tuple[str, int], *, tls: bool) -> None:
        self.host = host
        self.listener = listener
        self.tls = tls
        self.announced: ProxyHeader | None = None


class Incoming:
    """A request with this head, from a client at this address."""

    def __init__(
        self,
        head: str,
        *,
        host: str = "192.0.2.1",
        listener: tuple[str, int] = ("127.0.0.1", 80),
        tls: bool = False,
        handshake: bool = False,
    ) -> None:
        self.request = RequestHead(Limits())
        assert self.request.feed(head.encode("latin-1")) == b""
        self.downstream = Connection(host, listener, tls=tls)
        self.handshake = handshake
        self.intact = True
        self.trace = Trace(0.0)
        self.visit: Visit | None = None


def get(target: str = "/", *headers: str, host: str = "a.test", **options: object) -> Incoming:
    """A GET request."""
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    return Incoming("\r\n".join(lines), **options)  # type: ignore[arg-type]
