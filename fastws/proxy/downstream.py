"""A client's connection while it speaks HTTP: from accept until it is a tunnel, or over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastws._driver import own_address, peer_address
from fastws.errors import Reject
from fastws.protocol.handshake import judge
from fastws.protocol.head import RequestHead
from fastws.protocol.responses import error_response, page_response, reply_response
from fastws.proxy.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastws.proxy.context import Context
    from fastws.proxy.decision import Reply


class Downstream(asyncio.Protocol):
    """Reads the request, and hands it to a `Session`, which answers through here."""

    __slots__ = (
        "_context",
        "_early",
        "_lingering",
        "_on_data",
        "_session",
        "_settings",
        "_surplus",
        "client",
        "head",
        "host",
        "port",
        "tls",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, context: Context, *, tls: bool) -> None:
        self.tls = tls
        self.host = ""  # the client's address, or empty behind a Unix socket
        self.port = 0
        self.client = "unix:"
        self._context = context
        self._settings = context.settings
        self.head = RequestHead(self._settings.limits)
        self._on_data: Callable[[bytes], None] = self._read_head
        self._early = b""
        self._session: Session | None = None
        self._lingering = False

    # what the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.host, self.port = peer_address(transport.get_extra_info("socket").fileno())
        if self.host:
            host = f"[{self.host}]" if ":" in self.host else self.host
            self.client = f"{host}:{self.port}"
        self._context.opened()
        self._surplus = self._context.full
        self._context.watchdog.watch(self, self._settings.timeouts.head)

    def data_received(self, data: bytes) -> None:
        self._on_data(data)

    def pause_writing(self) -> None:
        if self._session:
            self._session.downstream_full()

    def resume_writing(self) -> None:
        if self._session:
            self._session.downstream_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        self._context.watchdog.forget(self)
        self._context.closed()
        self._on_data = _drop
        if self._session:
            self._session.downstream_lost()

    def expired(self) -> None:
        """Answer 408 to a slow head; end a connection that was to end by itself."""
        if self._lingering:
            self.transport.abort()
            return
        seconds = self._settings.timeouts.head
        self.reject(Reject(408, f"The request's head did not arrive within {seconds:g} s."))

    # what the session wants

    @property
    def listener(self) -> tuple[str, int]:
        """The address and port that the client connected to; ("", 0) for a Unix socket."""
        return own_address(self.transport.get_extra_info("socket").fileno())

    def reply(self, reply: Reply) -> None:
        """Answer as the router says, and close."""
        self.refused(reply.status, "answer of the configuration")
        self.transport.write(reply_response(reply.status, reply.headers, reply.body))
        self.finish()

    def reject(self, reject: Reject) -> None:
        """Answer with an error of our own, and close."""
        self.refused(reject.status, reject.reason)
        self.transport.write(error_response(reject))
        self.finish()

    def refused(self, status: int, reason: str) -> None:
        """Log that the request becomes no tunnel."""
        self._context.access_log.refused(
            client=self.client,
            target=self.head.target,
            host=b"".join(self.head.values(b"host")[:1]),
            status=status,
            reason=reason,
        )

    def finish(self) -> None:
        """Close behind what was written.

        A socket closed over unread bytes is reset, which would take the answer from the client:
        so what still comes is read and dropped, for a while.
        """
        self._session = None
        self._on_data = _drop
        self._lingering = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.transport.resume_reading()
        else:
            self.transport.close()
        self._context.watchdog.watch(self, self._settings.timeouts.linger)

    def take_early(self) -> bytes:
        """Hand over the bytes that came behind the request; what comes now is the tunnel's."""
        self._session = None
        self._on_data = _drop
        return self._early

    # private

    def _read_head(self, data: bytes) -> None:
        try:
            rest = self.head.feed(data)
            if rest is not None:
                self._answer(rest)
        except Reject as reject:
            self.reject(reject)

    def _answer(self, rest: bytes) -> None:
        context = self._context
        context.watchdog.forget(self)
        if self._surplus:
            raise Reject(503, "Too many connections; try again in a while.")
        if context.draining:
            raise Reject(503, "The proxy is shutting down; connect again.")
        page = self._settings.page
        if page and self.head.target == b"/" and not self.head.is_upgrade:
            self.transport.write(page_response(page))
            self.finish()
            return
        request = judge(self.head)
        self._on_data = self._keep_early
        self._keep_early(rest)
        self._session = Session(context, self._settings, self, request)
        self._session.start()

    def _keep_early(self, data: bytes) -> None:
        self._early += data
        if len(self._early) >= self._settings.limits.queued_bytes:
            self.transport.pause_reading()


def _drop(_data: bytes) -> None:
    pass
