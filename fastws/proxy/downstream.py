"""A client's connection while it speaks HTTP: from accept until it is a tunnel, or over."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from fastws._driver import own_address, peer_address
from fastws.errors import HANG_UP, NoTlsReject, Reject
from fastws.protocol.handshake import judge
from fastws.protocol.head import RequestHead
from fastws.protocol.host import written
from fastws.protocol.proxy_header import ProxyHeader
from fastws.protocol.responses import error_response, page_response, reply_response
from fastws.protocol.torn import Torn
from fastws.proxy.handshake import Handshake
from fastws.proxy.plain import PlainRequest
from fastws.proxy.trace import Trace
from fastws.proxy.unread import Unread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastws._pump import Pump
    from fastws.proxy.context import Context
    from fastws.proxy.decision import Reply
    from fastws.proxy.session import Session

# How many times `timeouts.linger` a client that still sends may take to see the last answer.
# nginx: lingering_time 30s, lingering_timeout 5s.
_PATIENCE = 5

_END_OF_HEAD = b"\r\n\r\n"

# For the first bytes of a new connection when there will be no more requests here, in seconds.
_MOMENT = 1.0


class Downstream(asyncio.Protocol):
    """Reads requests, one after another, and hands each to a session, which answers through here.

    What comes behind a request is kept until its session wants it, or is over (RFC 9112 section
    9.3.2: answers go out in the order of the requests).
    """

    __slots__ = (
        "_astray",
        "_context",
        "_dropped",
        "_early",
        "_eof",
        "_full",
        "_lingering",
        "_listener",
        "_marked",
        "_number",
        "_on_data",
        "_patience",
        "_reading",
        "_resting",
        "_session",
        "_settings",
        "_surplus",
        "address",
        "announced",
        "client",
        "door",
        "head",
        "host",
        "port",
        "tls",
        "trace",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, context: Context, door: str, *, tls: bool, announced: bool = False) -> None:
        self.door = door  # the listener that it came through
        self.tls = tls
        # What a proxy says of the connection before anything else.
        self.announced = ProxyHeader() if announced else None
        self.host = ""  # the client's address, or empty behind a Unix socket
        self.port = 0
        self.client = "unix:"
        self.address = self.client  # the connection's own, whoever the client is
        self._astray = False  # it speaks no TLS where it should
        self._context = context
        self._settings = context.settings
        self.head = RequestHead(self._settings.limits)
        self.trace = Trace()
        # Until somebody asks for them.
        self._listener: tuple[str, int] | None = None
        self._number = 0
        self._on_data: Callable[[bytes], None] = self._first_bytes
        self._early = b""
        self._session: Session | None = None
        self._eof = False  # the client sends no more
        self._full = False  # it does not take what was written
        self._resting = False  # it was answered, and has not asked for more
        self._lingering = False
        self._reading = False  # part of a head has come
        self._marked = 0
        self._dropped = False  # what came after the last answer
        self._patience = _PATIENCE
        # It counts from its accept, and not only when TLS is up.
        context.counts.connection_opened()
        self._surplus = context.full

    # what the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._known_as(*peer_address(transport.get_extra_info("socket").fileno()))
        self.address = self.client
        if self.announced:
            self._expect(self.announced)
        self._context.rests(self)
        self._context.watchdog.watch(self, self._settings.timeouts.head)
        if self._context.leaving:
            self.hurry()

    def data_received(self, data: bytes) -> None:
        self._on_data(data)

    def eof_received(self) -> bool:
        self._eof = True
        if self._session:
            return self._session.downstream_eof() and not self.tls
        # Answers to what came before may still be written.
        return bool(self._early) and not self.tls

    def pause_writing(self) -> None:
        self._full = True
        if self._session:
            self._session.downstream_full()

    def resume_writing(self) -> None:
        self._full = False
        if self._session:
            self._session.downstream_drained()
        elif not self._lingering:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._context.watchdog.forget(self)
        self._context.works(self)
        if self._reading:
            self._end_head()
            Unread(self._context, self._settings, self, Torn(self.head.held)).lost()
        self._context.closed()
        self._lingering = True
        session, self._session = self._session, None
        if session:
            session.downstream_lost()
        self._on_data = _nobody

    def expired(self) -> None:
        """Answer 408 to a slow head; end a connection that was to end by itself."""
        if self._lingering or self._full:
            self._expired_writing()
        elif self._resting:
            self.finish()
        else:
            seconds = self._settings.timeouts.head
            what = "PROXY header" if self.awaited else "request's head"
            why = f"The {what} did not arrive within {seconds:g} s."
            self._refuse(Reject(HANG_UP if self.awaited else 408, why), Torn(self.head.held))

    # what an acceptor wants

    @property
    def awaited(self) -> ProxyHeader | None:
        """The PROXY header as long as it is not whole; None where there is none to wait for."""
        return self.announced if self.announced and not self.announced.complete else None

    def lacks_tls(self) -> None:
        """Take note that TLS was expected, and plain HTTP is what comes: it is refused."""
        self.tls = False
        self._astray = True

    # what a session wants

    @property
    def listener(self) -> tuple[str, int]:
        """The address and port that the client connected to; ("", 0) for a Unix socket."""
        return self._listener or self._note_listener()

    @property
    def number(self) -> int:
        """A number that no other connection has, nor a tunnel."""
        if not self._number:
            self._number = self._context.board.next_number()
        return self._number

    @property
    def keeps_alive(self) -> bool:
        """Whether another request may follow this one."""
        waits = self._settings.timeouts.keepalive > 0
        return waits and self.head.keeps_alive and not self._context.leaving

    def write(self, data: bytes) -> None:
        """Write what no peer sends as a body: heads, and answers of our own."""
        self.trace.sent += len(data)
        self.transport.write(data)

    def take_early(self) -> bytes:
        """Hand over the bytes that came behind the request."""
        early, self._early = self._early, b""
        self.transport.resume_reading()
        return early

    def pass_to(self, pump: Pump) -> None:
        """Let it have the body that comes now."""
        self._on_data = pump.feed

    def give_back(self, rest: bytes) -> None:
        """Keep what came behind a body, and what comes now."""
        self._on_data = self._keep_early
        self._early = rest

    def reply(self, reply: Reply, connection: bytes, *, to_head: bool = False) -> None:
        """Write an answer of the configuration."""
        data = reply_response(reply.status, reply.headers, reply.body, connection, to_head=to_head)
        self._write_answer(reply.status, data)

    def fail(self, reject: Reject, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """Answer with an error of our own and these headers, and close."""
        if reject.status == HANG_UP:
            self.trace.status = HANG_UP
            self.abandon()
            return
        data = error_response(reject, headers, to_head=self.head.method == b"HEAD")
        self._write_answer(reject.status, data)
        self.finish()

    def via(self, client: str) -> str:
        """Return the connection's address if it is not that of a client, else nothing."""
        return self.address if self.address != client else ""

    def answered(self, *, keep: bool) -> None:
        """Read the next request, or else close behind the answer."""
        self._session = None
        if not keep or self._context.leaving or self._lingering:
            self.finish()
            return
        self._resting = True
        self._on_data = self._keep_early
        self._settings = self._context.settings
        self.head = RequestHead(self._settings.limits)
        self.trace = Trace(request=self.trace.request + 1)
        if not self._full:
            self._go_on()
        else:
            self._context.watchdog.watch(self, self._settings.timeouts.stall)

    def finish(self) -> None:
        """Close behind what was written.

        A socket closed over unread bytes is reset, which would take the answer from the client:
        so what still comes is read and dropped, for a while.
        """
        self._session = None
        self._on_data = self._drop
        self._lingering = True
        self._context.works(self)
        self._early = b""
        if self.transport.can_write_eof() and not self._eof:
            self.transport.write_eof()
            self.transport.resume_reading()
        else:
            self.transport.close()
        self._context.watchdog.watch(self, self._settings.timeouts.linger)

    def hurry(self) -> None:
        """Close a connection that was answered; a new one has a moment for its request to come."""
        if self._resting:
            self.dismiss()
        else:
            self._resting = True
            self._context.watchdog.watch(self, _MOMENT)

    def dismiss(self) -> None:
        """Close a connection on which no request is under way."""
        self._lingering = True
        self.transport.close()

    def abandon(self) -> None:
        """End the connection in a way that cannot be taken for the end of an answer."""
        self._session = None
        self._lingering = True
        self.transport.abort()

    def leave(self) -> None:
        """Have nothing to do with the connection any more: it is a tunnel's."""
        self._session = None
        self._on_data = _nobody

    # private

    def _write_answer(self, status: int, data: bytes) -> None:
        """Write a whole answer of our own."""
        trace = self.trace
        trace.status = status
        trace.body_sent += len(data) - data.index(_END_OF_HEAD) - len(_END_OF_HEAD)
        self.write(data)

    def _go_on(self) -> None:
        """Turn to the next request, which may have come already."""
        if self._early:
            # Not at once: of many that came together, each would be answered inside the last.
            self._context.loop.call_soon(self._next)
        elif self._eof:
            self.finish()
        else:
            self._rest()

    def _next(self) -> None:
        if not self._lingering:
            early = self.take_early()
            self._first_bytes(early, pipelined=True)
            if self._eof and not self._session and not self._lingering:
                self.finish()

    def _rest(self) -> None:
        self._on_data = self._first_bytes
        self._context.rests(self)
        self._context.watchdog.watch(self, self._settings.timeouts.keepalive)
        self.transport.resume_reading()

    def _known_as(self, host: str, port: int) -> None:
        """Take note of the client's address; there is none behind a Unix socket."""
        self.host, self.port = host, port
        self.client = written(host, port)

    def _expect(self, announced: ProxyHeader) -> None:
        """Wait for what a proxy says, unless it stood before the TLS."""
        if announced.complete:
            self._introduce(announced)
        else:
            self._on_data = partial(self._announcement, announced)

    def _announcement(self, announced: ProxyHeader, data: bytes) -> None:
        """Read what a proxy says of the connection."""
        try:
            rest = announced.feed(data)
        except Reject as reject:
            self._refuse(reject, Torn(b""))
            return
        if rest is not None:
            self._introduce(announced)
            self._on_data = self._first_bytes
            if rest:
                self._first_bytes(rest)

    def _introduce(self, announced: ProxyHeader) -> None:
        """Take the address for the client's; sites are told whether to (nginx: real_ip_header)."""
        if announced.source and not self._settings.config.sites:
            self._known_as(*announced.source)

    def _first_bytes(self, data: bytes, *, pipelined: bool = False) -> None:
        if self._resting:
            # The head of a new connection is due since it was accepted.
            self._resting = False
            self._settings = self._context.settings
            self._context.watchdog.watch(self, self._settings.timeouts.head)
        self._context.counts.request_began()
        self.trace.began = self._context.loop.time()
        self.trace.pipelined = pipelined
        self._context.works(self)
        self._on_data = self._read_head
        self._read_head(data)

    def _read_head(self, data: bytes) -> None:
        try:
            rest = self.head.feed(data)
        except Reject as reject:
            self._refuse(reject, Torn(self.head.held or data))
            return
        if rest is None:
            self._begin_head()
            return
        try:
            self._answer(rest)
        except Reject as reject:
            self._refuse(reject, self.head)

    def _answer(self, rest: bytes) -> None:
        context = self._context
        context.watchdog.forget(self)
        self._end_head()
        if self._astray:
            raise NoTlsReject
        if self._surplus:
            raise Reject(503, "Too many connections; try again in a while.")
        if context.draining:
            raise Reject(503, "The proxy is shutting down; connect again.")
        page = self._settings.page
        if page and self.head.target == b"/" and not self.head.is_upgrade:
            self.transport.write(page_response(page))
            self.finish()
            return
        if self.head.is_handshake:
            request = judge(self.head)
            self._session = Handshake(context, self._settings, self, request)
        else:
            self._session = PlainRequest(context, self._settings, self)
        self._on_data = self._keep_early
        if rest:
            self._keep_early(rest)
        self._session.start()

    def _begin_head(self) -> None:
        """Note that part of a head has come."""
        if not self._reading:
            self._reading = True
            self._context.counts.head_began()
            # A client that goes away within its head leaves no socket to ask.
            self._note_listener()

    def _note_listener(self) -> tuple[str, int]:
        self._listener = own_address(self.transport.get_extra_info("socket").fileno())
        return self._listener

    def _end_head(self) -> None:
        """Note that no more of a head is to come."""
        if self._reading:
            self._reading = False
            self._context.counts.head_ended()

    def _refuse(self, reject: Reject, head: RequestHead | Torn) -> None:
        """Answer what is no request, or one that nobody has time for."""
        self._end_head()
        Unread(self._context, self._settings, self, head).fail(reject)

    def _keep_early(self, data: bytes) -> None:
        self._early += data
        if len(self._early) >= self._settings.limits.queued_bytes:
            self.transport.pause_reading()

    def _drop(self, _data: bytes) -> None:
        self._dropped = True

    def _expired_writing(self) -> None:
        """Give time to a slow reader, and to one who still sends.

        The first takes what was written, the other finds out that there is an answer.
        """
        queued = self.transport.get_write_buffer_size()
        if queued and queued != self._marked:
            self._marked = queued
            self._context.watchdog.watch(self, self._settings.timeouts.stall)
        elif self._dropped and self._patience:
            self._dropped = False
            self._patience -= 1
            self._context.watchdog.watch(self, self._settings.timeouts.linger)
        else:
            self.transport.abort()


def _nobody(_data: bytes) -> None:
    """Be told of data for one that is over; a method of its own would keep it alive."""
