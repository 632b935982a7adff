"""A request on its way to a peer, and the answer on its way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fastws._driver import peer_address
from fastws.errors import HANG_UP, Reject
from fastws.protocol.forward import relayed_response
from fastws.protocol.headers import Forwarded
from fastws.protocol.host import written
from fastws.protocol.responses import status_text
from fastws.proxy.answer import Answer
from fastws.proxy.decision import Reply
from fastws.proxy.exchange import Exchange
from fastws.proxy.tries import Tries, condition_of, is_ours

if TYPE_CHECKING:
    import asyncio

    from fastws.protocol.body import Body
    from fastws.protocol.head import RequestHead, ResponseHead
    from fastws.protocol.torn import Torn
    from fastws.proxy.context import Context
    from fastws.proxy.decision import Forward, Visit
    from fastws.proxy.downstream import Downstream
    from fastws.proxy.settings import Settings
    from fastws.upstream.lease import Lease
    from fastws.upstream.peer import Peer

# nginx's status, for the log only: nobody is there to get it.
CLIENT_GONE = 499

_NOBODY = "No upstream server is available: each is down, full, or has failed lately."

# nginx's: such an answer says nothing of the peer's health, even where another one is asked.
_NO_FAILURES = frozenset({403, 404})

_NONE: frozenset[bytes] = frozenset()


class Session:
    """Routes a request, connects to a peer, and relays its answer.

    What is different for handshakes and for plain requests is left to the two subclasses.
    """

    __slots__ = (
        "_answer",
        "_context",
        "_exchange",
        "_forward",
        "_lease",
        "_settings",
        "_tries",
        "_why",
        "downstream",
        "request",
        "trace",
        "visit",
    )

    handshake: ClassVar[bool]

    def __init__(self, context: Context, settings: Settings, downstream: Downstream) -> None:
        self._context = context
        self._settings = settings
        self.downstream = downstream
        self.request: RequestHead | Torn = downstream.head
        self.trace = downstream.trace
        self.visit: Visit | None = None
        self._forward: Forward
        self._why = ""  # something else is answered than what was asked for
        self._lease: Lease | None = None
        self._tries: Tries
        self._exchange: Exchange | None = None
        self._answer: Answer | None = None

    def start(self) -> None:
        """Find out what is to be done, and do it."""
        try:
            decision = self._settings.routes.decide(self)
            if isinstance(decision, Reply):
                self._reply(decision)
            else:
                self._forward = decision
                self._tries = Tries(decision.next_upstream, self._context.loop.time())
                self._begin()
        except Reject as reject:
            self.fail(reject)

    # what a balancer asks, besides the request

    @property
    def host(self) -> str:
        """The client's address."""
        return self.downstream.host

    @property
    def intact(self) -> bool:
        """Whether it can still be passed on as it came."""
        return True

    # what the upstream says

    def connected(self) -> None:
        """Take note of a connection; the head went out on it."""
        assert self._exchange is not None
        if self.visit:
            host, port = peer_address(self._exchange.transport.get_extra_info("socket").fileno())
            address = written(host, port) if host else str(self._leased.peer)
            self.trace.connected(address, self._exchange.size, self._context.loop.time())

    def unconnected(self, error: OSError) -> None:
        """Try the next peer."""
        self._exchange = None
        reject = self._miss(error)
        if self._goes_on(condition_of(reject)):
            self._connect(reject)
        else:
            self.fail(reject)

    def unanswered(self, reject: Reject) -> None:
        """Try the next peer where that is safe: this one took the request, and gave no answer."""
        self._exchange = None
        self._leased.failed()
        self._note_failure(reject.status)
        if self._goes_on(condition_of(reject)) and self._repeatable():
            self._connect(reject)
        else:
            self.fail(reject)

    def garbled(self, reject: Reject) -> None:
        """Take note that an answer came, but what it says cannot be read."""
        self._leased.failed()
        self._note_failure(reject.status)
        if self._goes_on("invalid_header") and self._repeatable():
            self._hang_up()
            self._connect(reject)
        else:
            self.fail(reject)

    def upstream_full(self) -> None:
        """Take note of a peer that does not take what it is sent."""

    def upstream_drained(self) -> None:
        """Take note that it does again."""

    def interim(self, response: ResponseHead) -> None:
        """Take an answer that is not the final one."""
        raise NotImplementedError

    def answered(self, response: ResponseHead, rest: bytes) -> None:
        """Judge a whole head and the bytes behind it."""
        raise NotImplementedError

    def delivered(self, transport: asyncio.Transport, ending: str, *, clean: bool) -> None:
        """End it: all of the answer went on, or there will be no more.

        ``clean`` says that nothing is under way on the peer's connection.
        """
        raise NotImplementedError

    def fail(self, reject: Reject) -> None:
        """Answer with an error of our own, or with what takes its place."""
        self._let_go()
        if instead := self._in_place_of(reject):
            self._why = reject.reason
            self._follow(instead)
            return
        self.refused(reject.status, reject.reason)
        added = self.visit.headers(reject.status) if self.visit else ()
        self.downstream.fail(reject, added)
        self._write_down(whole=reject.status != HANG_UP)

    def refused(self, status: int, reason: str) -> None:
        """Log that the request came to nothing."""
        client = self._client
        self._context.access_log.refused(
            client=client,
            via=self.downstream.via(client),
            target=self.request.target,
            host=self.request.host,
            status=status,
            reason=reason,
        )

    def expired(self) -> None:
        """Give up a peer that cannot be reached, or that does not answer."""
        exchange = self._exchange
        if exchange is None:
            return
        exchange.abandon()
        if exchange.connected:
            why = f"The upstream did not answer within {self._answer_time:g} s."
            self.unanswered(Reject(504, why))
        else:
            seconds = self._forward.timeouts.connect
            self.unconnected(TimeoutError(f"no connection within {seconds:g} s"))

    # what the client's connection says

    def downstream_full(self) -> None:
        """Pause an answer that the client does not take."""
        if self._answer:
            self._answer.pause()

    def downstream_drained(self) -> None:
        """Go on with it."""
        if self._answer:
            self._answer.resume()

    def downstream_eof(self) -> bool:
        """Tell whether a client that sends no more may still get its answer."""
        return False

    def downstream_lost(self) -> None:
        """Nobody waits for an answer any more."""
        raise NotImplementedError

    # private

    @property
    def _client(self) -> str:
        """The client as the log names it: who it is behind proxies that are trusted."""
        if self.visit:
            return written(*self.visit.client)
        return self._settings.client(self) or self.downstream.client

    @property
    def _answer_time(self) -> float:
        """Seconds for the head of an answer to come."""
        raise NotImplementedError

    @property
    def _leased(self) -> Lease:
        assert self._lease is not None
        return self._lease

    def _begin(self) -> None:
        self._connect(None)

    def _goes_on(self, condition: str) -> bool:
        """Whether another peer may be asked after this failure of the last one."""
        return self._tries.allow_another(condition, self._context.loop.time())

    def _repeatable(self) -> bool:
        """Make the request as it was before it was sent; whether that may and can be done."""
        return True

    def _passed_over(self, status: int) -> bool:
        """Ask another peer instead of taking an answer, if there is one to ask."""
        if status < 400 or not self._goes_on(f"http_{status}"):
            return False
        lease = self._forward.upstream.lease(self._tries.peers, self._forward.client or self)
        if lease is None:
            return False
        if not self._repeatable():
            lease.release()
            return False
        if status in _NO_FAILURES:
            self._leased.release()
        else:
            self._leased.failed()
        self._hang_up()
        self._connect(None, lease)
        return True

    def _reply(self, reply: Reply) -> None:
        """Answer in the words of the configuration, and close."""
        self.refused(reply.status, self._why or "answer of the configuration")
        self.downstream.reply(reply, b"close", to_head=self.request.method == b"HEAD")
        self._write_down(whole=True)
        self.downstream.finish()

    def _in_place_of(self, reject: Reject) -> Reply | Forward | None:
        """Return what takes the place of an error of our own."""
        return self.visit.instead(reject.page or reject.status) if self.visit else None

    def _instead(self, status: int) -> Reply | Forward | None:
        """Return what takes the place of an answer."""
        answer = self._forward.answer
        return answer.intercept(status) if answer else None

    def _follow(self, decision: Reply | Forward) -> None:
        """Answer in another way: with our own words, or with what another upstream says."""
        if isinstance(decision, Reply):
            self._reply(decision)
            return
        now = self._context.loop.time()
        self._forward = decision
        self._tries = Tries(decision.next_upstream, now)
        self.trace.led_elsewhere(now)
        self._connect(None)

    def _request_head(self, peer: Peer) -> bytes:
        raise NotImplementedError

    def _connect(self, reject: Reject | None, lease: Lease | None = None) -> None:
        """Try the peers, each once (RFC 9110 section 15.6.3 and 15.6.5 name the failures).

        ``reject`` is how the last one failed, and ``lease`` that of the next, if it is picked.
        """
        client = self._forward.client or self
        while lease := lease or self._forward.upstream.lease(self._tries.peers, client):
            self._lease = lease
            self._tries.peers.append(lease.peer)
            try:
                self._dial(lease.peer)
            except OSError as error:
                lease = None
                reject = self._miss(error)
                if not self._goes_on(condition_of(reject)):
                    break
            else:
                return
        self._exchange = None
        if reject is None:
            reject = Reject(502, _NOBODY)
            self._note_try(self._forward.upstream.name)
            self._note_failure(reject.status)
        self.fail(reject)

    def _dial(self, peer: Peer) -> None:
        exchange = self._exchange = self._asking(peer)
        exchange.connect(self._context.connector, peer)
        if not exchange.connected:
            self._context.watchdog.watch(self, self._forward.timeouts.connect)

    def _asking(self, peer: Peer) -> Exchange:
        self._note_try(peer)
        return Exchange(
            self, self._settings.limits, self._request_head(peer), interim=not self.handshake
        )

    def _miss(self, error: OSError) -> Reject:
        """End a lease without a connection, which may be our fault; what to say of it."""
        self._note_failure(504 if isinstance(error, TimeoutError) else 502)
        if is_ours(error):
            self._leased.release()
        else:
            self._leased.failed()
        return self._tries.unreachable(error)

    def _forwarded(self) -> Forwarded:
        downstream = self.downstream
        return Forwarded(
            client=downstream.host.encode() or b"unknown",
            tls=downstream.tls,
            trusted=self._settings.trusts(downstream.host),
        )

    def _relay_answer(
        self, response: ResponseHead, body: Body, rest: bytes, connection: bytes, *, chunked: bool
    ) -> None:
        """Send on an answer; what Connection says in it is ours."""
        assert self._exchange is not None
        transport, self._exchange = self._exchange.transport, None
        lines, hidden = self._edits(response)
        status = self._forward.answer.status if self._forward.answer else None
        self.trace.status = status or response.status
        head = relayed_response(
            response,
            lines,
            hidden,
            connection,
            chunked=chunked,
            status=None if status is None else status_text(status),
        )
        self.trace.sent += len(head)
        self._answer = Answer(
            self, self._context.watchdog, transport, self.downstream.transport, body
        )
        timeouts = self._forward.timeouts
        self._answer.start(
            head,
            rest,
            silence=timeouts.idle,
            stall=timeouts.stall,
            most=self._settings.limits.queued_bytes,
        )

    def _edits(self, response: ResponseHead) -> tuple[bytes, frozenset[bytes]]:
        """Return the lines that are added to an answer, and the names that do not go on."""
        lines, hidden = b"", _NONE
        if self._forward.answer:
            lines, hidden = self._forward.answer.edit(response)
        return lines + self._forward.upstream.fields(self._leased.peer), hidden

    def _note_try(self, whom: object) -> None:
        if self.visit:
            self.trace.begin_try(str(whom), self._context.loop.time())

    def _note_answer(self, response: ResponseHead, rest: bytes) -> None:
        if self.visit:
            now = self._context.loop.time()
            self.trace.answered(response.status, response.size, len(rest), now)

    def _note_failure(self, status: int) -> None:
        if self.visit:
            self.trace.failed(status, self._context.loop.time())

    def _write_down(self, *, upward: int = 0, whole: bool = False) -> None:
        """Write the lines in access logs; ``upward`` are the bytes of the request's body."""
        if self.visit:
            trace = self.trace
            trace.received = self.request.size + upward
            trace.whole = whole
            downward = self._answer.moved if self._answer else 0
            trace.end(upward, downward, self._context.loop.time())
            self.visit.over()

    def _let_go(self) -> None:
        self._context.watchdog.forget(self)
        self._hang_up()
        if self._lease:
            self._lease.release()

    def _hang_up(self) -> None:
        if self._exchange:
            self._exchange.abandon()
            self._exchange = None
