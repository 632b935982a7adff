"""A plain HTTP request, and the answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.errors import Reject, UpstreamReject
from fastws.protocol.body import StreamBody
from fastws.protocol.forward import plain_request, relayed_response
from fastws.proxy.answer import HALF_CLOSED
from fastws.proxy.decision import Forward
from fastws.proxy.session import CLIENT_GONE, Session
from fastws.proxy.upload import Upload

if TYPE_CHECKING:
    import asyncio

    from fastws.protocol.head import RequestHead, ResponseHead
    from fastws.proxy.context import Context
    from fastws.proxy.decision import Reply
    from fastws.proxy.downstream import Downstream
    from fastws.proxy.settings import Settings
    from fastws.upstream.peer import Peer

# A body that came to this is not to be passed on, whoever answers.
_FAULTS_OF_BODIES = frozenset({400, 408, 413})

# RFC 9110 section 9.2.2: to send one of these twice does no more than to send it once.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class PlainRequest(Session):
    """Relays a request and its answer; both connections may serve another one after that."""

    __slots__ = (
        "_bodiless",
        "_delimited",
        "_half_closed",
        "_keep",
        "_reusable",
        "_since",
        "_status",
        "_upload",
    )

    handshake = False

    def __init__(self, context: Context, settings: Settings, downstream: Downstream) -> None:
        super().__init__(context, settings, downstream)
        self._upload = (
            Upload(self, downstream, context.watchdog) if downstream.head.has_body else None
        )
        self._bodiless = False  # what is asked goes on without the body
        self._half_closed = False
        self._delimited = True  # the client can tell whether the answer is whole
        self._keep = False  # the client's connection, behind the answer
        self._reusable = False  # the peer's
        self._status = 0
        self._since = context.loop.time()

    # what a router asks

    @property
    def intact(self) -> bool:
        """Whether it can still be passed on as it came, or without a body that is at fault."""
        return self._bodiless or self._upload is None or self._upload.intact

    # what the upstream says

    def connected(self) -> None:
        """Send the body behind the head that went out."""
        super().connected()
        if self._upload and not self._bodiless:
            self._send_body(self._upload)
        else:
            self._await_answer()

    def unanswered(self, reject: Reject) -> None:
        """Ask again where that is safe (RFC 9110 section 9.2.2)."""
        if self._exchange and self._exchange.stale and self._repeatable():
            # It was closed while the request was on its way: that is nobody's failure.
            self._exchange = None
            self._note_failure(reject.status)
            self._ask_again()
        else:
            super().unanswered(reject)

    def interim(self, response: ResponseHead) -> None:
        """Pass it on to a client that knows of such answers."""
        if self._head.version != (1, 0):
            self.downstream.write(relayed_response(response, connection=b""))

    def answered(self, response: ResponseHead, rest: bytes) -> None:
        """Relay the answer, or what takes its place."""
        self._note_answer(response, rest)
        if self._passed_over(response.status):
            return
        self._leased.answered()
        if response.status < 200:
            self.fail(UpstreamReject("The upstream switched protocols without being asked to."))
        elif instead := self._instead(response.status):
            self._let_go()
            self._follow(instead)
        else:
            self._status = response.status
            self._relay(response, rest)

    def delivered(self, transport: asyncio.Transport, ending: str, *, clean: bool) -> None:
        """Go on to the client's next request, if both sides may."""
        whole = ending == "complete"
        over = self._all_came
        if whole and clean and over and self._reusable and not transport.get_write_buffer_size():
            self._forward.upstream.idle.put(self._leased.peer, transport)
        else:
            transport.abort()
        self._let_go()
        self._log(ending, self._why)
        self._write_down(whole=whole)
        if whole or self._delimited:
            self.downstream.answered(keep=whole and over and self._keep)
        else:
            self.downstream.abandon()

    def upstream_full(self) -> None:
        """Pause the body: the peer does not take it."""
        if self._upload:
            self._upload.pause()

    def upstream_drained(self) -> None:
        """Go on with it."""
        if self._upload:
            self._upload.resume()

    # what the client's connection says

    def uploaded(self) -> None:
        """Give the peer its time to answer, if it has not begun to."""
        if self._exchange:
            self._await_answer()

    def upload_failed(self, reject: Reject, ending: str) -> None:
        """Say so, or end an answer that is under way."""
        if self._answer:
            self._answer.cut(ending)
        else:
            self.fail(reject)

    def downstream_eof(self) -> bool:
        """Let a client that sends no more have its answer, if there is one soon."""
        if not self._all_came:
            return False
        self._half_closed = True
        if self._answer:
            self._answer.hurry()
        else:
            self._context.watchdog.watch(self, HALF_CLOSED)
        return True

    def downstream_lost(self) -> None:
        """Nobody waits for an answer any more."""
        self._status = self._status or CLIENT_GONE
        if self._answer:
            self._answer.abandon()
        self._let_go()
        self.trace.status = self._status
        self._log("client_lost")
        self._write_down()

    def expired(self) -> None:
        """Give up a peer that does not go on, or a client that has gone."""
        if self._half_closed:
            self.downstream.transport.abort()
        else:
            super().expired()

    def refused(self, status: int, reason: str) -> None:
        """Log that it was answered by us."""
        self._status = status
        self._log("refused", reason)

    # private: the request

    @property
    def _head(self) -> RequestHead:
        return self.downstream.head

    @property
    def _all_came(self) -> bool:
        """Whether what comes from the client now is its next request."""
        return self._upload is None or self._upload.over

    @property
    def _answer_time(self) -> float:
        return self._forward.timeouts.answer

    def _begin(self) -> None:
        forward = self._forward
        if forward.max_body and self._head.length > forward.max_body:
            raise Reject(413, f"The body is larger than {forward.max_body} bytes; send less.")
        if forward.edits and b"expect" in forward.edits.dropped and self._expects():
            self.downstream.write(_CONTINUE)
        self._connect(None)

    def _expects(self) -> bool:
        """Whether the client waits for a 100 (RFC 9110 section 10.1.1)."""
        expect = self._head.values(b"expect")
        return (
            [value.lower() for value in expect] == [b"100-continue"]
            and self._head.version != (1, 0)
            and self._upload is not None
        )

    def _request_head(self, peer: Peer) -> bytes:
        return plain_request(
            self._head,
            self._forwarded(),
            self._forward.edits,
            self._forward.target,
            self._asked,
            peer.host,
            self._bodiless,
        )

    def _dial(self, peer: Peer) -> None:
        transport = self._forward.upstream.idle.take(peer)
        if transport is None:
            super()._dial(peer)
        else:
            self._exchange = self._asking(peer)
            self._exchange.reuse(transport)

    def _ask_again(self) -> None:
        """Ask the same peer on a new connection."""
        peer = self._leased.peer
        try:
            super()._dial(peer)
        except OSError as error:
            self.unconnected(error)

    def _send_body(self, upload: Upload) -> None:
        assert self._exchange is not None
        self._context.watchdog.forget(self)
        upload.start(
            self._exchange.transport,
            self._forward.timeouts,
            max_body=self._forward.max_body,
            most=self._settings.limits.queued_bytes,
        )

    def _await_answer(self) -> None:
        self._context.watchdog.watch(self, self._answer_time)

    def _repeatable(self) -> bool:
        safe = self._asked in _IDEMPOTENT or "non_idempotent" in self._forward.next_upstream.on
        upload = None if self._bodiless else self._upload
        return safe and (upload is None or upload.rewind())

    # private: the answer

    def _relay(self, response: ResponseHead, rest: bytes) -> None:
        head = self._head
        bare = head.version == (1, 0) and response.has_chunked_body
        body = response.body(to_head=self._asked == b"HEAD", bare=bare)
        self._delimited = body.complete or not (bare or isinstance(body, StreamBody))
        self._keep = self._delimited and self._all_came and self.downstream.keeps_alive
        self._reusable = response.keeps_alive
        self._context.watchdog.forget(self)
        self._relay_answer(response, body, rest, self._connection, chunked=not bare)
        if self._half_closed and self._answer:
            self._answer.hurry()

    @property
    def _asked(self) -> bytes:
        return self.visit.method if self.visit else self._head.method

    @property
    def _connection(self) -> bytes:
        """What Connection says in our answer (RFC 9112 section 9.3)."""
        if not self._keep:
            return b"close"
        return b"keep-alive" if self._head.version == (1, 0) else b""

    def _in_place_of(self, reject: Reject) -> Reply | Forward | None:
        self._bodiless = reject.status in _FAULTS_OF_BODIES
        return super()._in_place_of(reject)

    def _follow(self, decision: Reply | Forward) -> None:
        """Answer in another way; another upstream gets the body, too, if that is still here."""
        if self._upload and isinstance(decision, Forward):
            self._bodiless = self._bodiless or not self._upload.rewind()
        super()._follow(decision)

    def _reply(self, reply: Reply) -> None:
        self._status = reply.status
        if self._upload:
            self._upload.skip()
        self._keep = self._all_came and self.downstream.keeps_alive
        to_head = self._head.method == b"HEAD"
        self.downstream.reply(reply, self._connection, to_head=to_head)
        self._log("complete", self._why)
        self._write_down(whole=True)
        self.downstream.answered(keep=self._keep)

    def _let_go(self) -> None:
        if self._upload:
            self._upload.stop()
        super()._let_go()

    def _write_down(self, *, upward: int = 0, whole: bool = False) -> None:
        upward += self._upload.moved if self._upload else 0
        super()._write_down(upward=upward, whole=whole)
        self._upload = None  # which has this request: nothing else would part them

    def _log(self, ending: str, reason: str = "") -> None:
        downstream = self.downstream
        client = self._client
        self._context.access_log.request(
            client=client,
            via=downstream.via(client),
            method=self._head.method,
            target=self._head.target,
            host=self._head.host,
            status=self._status,
            upstream=self._lease.peer if self._lease else "",
            bytes_in=self._upload.moved if self._upload else 0,
            bytes_out=self._answer.moved if self._answer else 0,
            duration=self._context.loop.time() - self._since,
            ended_by=ending,
            reason=reason,
        )
