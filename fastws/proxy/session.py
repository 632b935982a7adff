"""An opening handshake, from the client's request to the tunnel, or to the answer instead of it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from fastws._transport import leg
from fastws.errors import Reject, UpstreamReject
from fastws.protocol.extensions import rsv_rules
from fastws.protocol.forward import relayed_response
from fastws.protocol.handshake import (
    UpgradeRequest,
    UpgradeResponse,
    check_answer,
    switching_response,
    upgrade_request,
)
from fastws.protocol.headers import Forwarded
from fastws.proxy.answer import Answer
from fastws.proxy.decision import Reply
from fastws.proxy.exchange import Exchange
from fastws.proxy.passage import Passage

if TYPE_CHECKING:
    from fastws.protocol.head import RequestHead, ResponseHead
    from fastws.proxy.context import Context
    from fastws.proxy.decision import Forward
    from fastws.proxy.downstream import Downstream
    from fastws.proxy.settings import Settings
    from fastws.upstream.lease import Lease
    from fastws.upstream.peer import Peer

# nginx's status, for the log only: nobody is there to get it.
_CLIENT_GONE = 499

_NOBODY = "No upstream server is available: each is down, full, or has failed lately."

_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Session:
    """Routes a request, connects to a peer, and judges its answer."""

    __slots__ = (
        "_answer",
        "_context",
        "_downstream",
        "_exchange",
        "_forward",
        "_lease",
        "_request",
        "_settings",
        "_tried",
    )

    def __init__(
        self,
        context: Context,
        settings: Settings,
        downstream: Downstream,
        request: UpgradeRequest,
    ) -> None:
        self._context = context
        self._settings = settings
        self._downstream = downstream
        self._request = request
        self._forward: Forward
        self._lease: Lease
        self._tried: list[Peer] = []
        self._exchange: Exchange | None = None
        self._answer: Answer | None = None

    def start(self) -> None:
        """Find out where it goes, and connect.

        Raises Reject as the router does.
        """
        decision = self._settings.routes.decide(self)
        if isinstance(decision, Reply):
            self._downstream.reply(decision)
        else:
            self._forward = decision
            self._connect(None)

    # what a router or a balancer asks

    @property
    def host(self) -> str:
        """The client's address."""
        return self._downstream.host

    @property
    def port(self) -> int:
        """Its port."""
        return self._downstream.port

    @property
    def listener(self) -> tuple[str, int]:
        """The address and port that it connected to."""
        return self._downstream.listener

    @property
    def tls(self) -> bool:
        """Whether it came over TLS."""
        return self._downstream.tls

    @property
    def handshake(self) -> bool:
        """Whether it opens a WebSocket."""
        return True

    @property
    def request(self) -> RequestHead:
        """What the client wants."""
        return self._downstream.head

    # what the upstream says

    def connected(self) -> None:
        """Take note of a connection; the request goes out on it."""
        self._context.watchdog.watch(self, self._forward.timeouts.handshake)

    def unconnected(self, error: OSError) -> None:
        """Try the next peer."""
        self._exchange = None
        self._miss(error)
        self._connect(_unreachable(error, len(self._tried)))

    def unanswered(self, reject: Reject) -> None:
        """Try the next peer: this one took the request, and gave no answer."""
        self._exchange = None
        self._lease.failed()
        self._connect(reject)

    def garbled(self, reject: Reject) -> None:
        """Give up: an answer came, but what it says cannot be read."""
        self._lease.failed()
        self.fail(reject)

    def answered(self, response: ResponseHead, rest: bytes) -> None:
        """Judge a whole head and the bytes behind it."""
        self._lease.answered()
        try:
            agreed = check_answer(self._request, response)
            self._context.watchdog.forget(self)
            if agreed is None:
                self._relay_answer(response, rest)
            else:
                self._open_tunnel(agreed, response, rest)
        except UpstreamReject as reject:
            self.fail(reject)

    def fail(self, reject: Reject) -> None:
        """Tell the client that there will be no tunnel."""
        self._let_go()
        self._downstream.reject(reject)

    def expired(self) -> None:
        """Give up a peer that cannot be reached, or that does not answer."""
        assert self._exchange is not None
        self._exchange.abandon()
        timeouts = self._forward.timeouts
        if self._exchange.connected:
            why = f"The upstream did not answer within {timeouts.handshake:g} s."
            self.unanswered(Reject(504, why))
        else:
            self.unconnected(TimeoutError(f"no connection within {timeouts.connect:g} s"))

    # what the client's connection says

    def downstream_full(self) -> None:
        """Pause an answer that the client does not take."""
        if self._answer:
            self._answer.pause()

    def downstream_drained(self) -> None:
        """Go on with it."""
        if self._answer:
            self._answer.resume()

    def downstream_lost(self) -> None:
        """Nobody waits for an answer any more."""
        self._let_go()
        if self._answer:
            self._answer.abandon()
        else:
            self._downstream.refused(_CLIENT_GONE, "the client went away before the answer")

    # private

    def _connect(self, reject: Reject | None) -> None:
        """Try the peers, each once (RFC 9110 section 15.6.3 and 15.6.5 name the failures).

        ``reject`` is how the last one failed.
        """
        context = self._context
        while lease := self._forward.upstream.lease(self._tried, self):
            self._lease = lease
            self._tried.append(lease.peer)
            self._exchange = Exchange(self, self._settings.limits, self._upgrade_request())
            context.watchdog.watch(self, self._forward.timeouts.connect)
            try:
                self._exchange.connect(context.connector, lease.peer)
            except OSError as error:
                self._miss(error)
                reject = _unreachable(error, len(self._tried))
            else:
                return
        self._exchange = None
        self.fail(reject or Reject(502, _NOBODY))

    def _miss(self, error: OSError) -> None:
        """End a lease without a connection; it may be our fault."""
        if error.errno in _NO_DESCRIPTORS:
            self._lease.release()
        else:
            self._lease.failed()

    def _upgrade_request(self) -> bytes:
        downstream = self._downstream
        forwarded = Forwarded(
            client=downstream.host.encode() or b"unknown",
            tls=downstream.tls,
            trusted=self._settings.trusts(downstream.host),
        )
        return upgrade_request(self._request, forwarded, self._forward.edits, self._forward.target)

    def _relay_answer(self, response: ResponseHead, rest: bytes) -> None:
        assert self._exchange is not None
        transport, self._exchange = self._exchange.transport, None
        self._downstream.refused(response.status, "answer of the upstream")
        self._downstream.transport.write(relayed_response(response, *self._edits(response)))
        self._answer = Answer(
            self._context.watchdog,
            self._downstream,
            transport,
            response.body(),
            self._lease,
            stall=self._forward.timeouts.stall,
        )
        self._answer.data_received(rest)

    def _open_tunnel(self, agreed: UpgradeResponse, response: ResponseHead, rest: bytes) -> None:
        assert self._exchange is not None
        transport, self._exchange = self._exchange.transport, None
        if transport.get_write_buffer_size():
            transport.abort()
            raise UpstreamReject("The upstream answered before it had read the request.")
        passage = Passage(self._context, self._downstream.client, self._lease)
        passage.announce(self._request, agreed)
        first, others = rsv_rules(agreed.extensions)
        self._context.driver.open(
            self._forward.rules,
            leg(self._downstream.transport),
            leg(transport),
            head=switching_response(agreed, *self._edits(response)),
            early_downstream=self._downstream.take_early(),
            early_upstream=rest,
            rsv_first=first,
            rsv_rest=others,
            passage=passage,
        )

    def _let_go(self) -> None:
        self._context.watchdog.forget(self)
        if self._exchange:
            self._exchange.abandon()
            self._exchange = None
        if self._tried:
            self._lease.release()

    def _edits(self, response: ResponseHead) -> tuple[bytes, frozenset[bytes]]:
        """Return the lines that are added to an answer, and the names that do not go on."""
        lines, hidden = b"", frozenset[bytes]()
        if self._forward.answer:
            lines, hidden = self._forward.answer.edit(response)
        return lines + self._forward.upstream.fields(self._lease.peer), hidden


def _unreachable(error: OSError, tried: int) -> Reject:
    if error.errno in _NO_DESCRIPTORS:
        return Reject(503, "The proxy is out of descriptors; try again in a while.")
    which = "The upstream" if tried == 1 else f"The last of {tried} upstream servers tried"
    # The system's words for it: the error's own may hold an address, which is not the client's.
    number = error.errno or 0
    why = os.strerror(number) if number > 0 else error.strerror or str(error)
    status = 504 if isinstance(error, TimeoutError) else 502
    return Reject(status, f"{which} could not be reached: {why}.")
