"""An opening handshake, from the client's request to the tunnel, or to the answer instead of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws._transport import leg
from fastws.errors import UpstreamReject
from fastws.protocol.extensions import rsv_rules
from fastws.protocol.handshake import (
    UpgradeRequest,
    UpgradeResponse,
    check_answer,
    switching_response,
    upgrade_request,
)
from fastws.proxy.passage import Arrival, Passage
from fastws.proxy.session import CLIENT_GONE, Session

if TYPE_CHECKING:
    import asyncio

    from fastws.protocol.head import ResponseHead
    from fastws.proxy.context import Context
    from fastws.proxy.downstream import Downstream
    from fastws.proxy.settings import Settings
    from fastws.upstream.peer import Peer


class Handshake(Session):
    """Opens a tunnel if the peer agrees, and else relays what it says."""

    __slots__ = ("_request",)

    handshake = True

    def __init__(
        self,
        context: Context,
        settings: Settings,
        downstream: Downstream,
        request: UpgradeRequest,
    ) -> None:
        super().__init__(context, settings, downstream)
        self._request = request

    def connected(self) -> None:
        """Give the peer its time to answer."""
        super().connected()
        self._context.watchdog.watch(self, self._answer_time)

    def answered(self, response: ResponseHead, rest: bytes) -> None:
        """Judge a whole head and the bytes behind it."""
        self._note_answer(response, rest)
        if self._passed_over(response.status):
            return
        self._leased.answered()
        try:
            agreed = check_answer(self._request, response)
            self._context.watchdog.forget(self)
            if agreed is not None:
                self._open_tunnel(agreed, response, rest)
            elif instead := self._instead(response.status):
                self._let_go()
                self._follow(instead)
            else:
                self.refused(response.status, "answer of the upstream")
                self._relay_answer(response, response.body(), rest, b"close", chunked=True)
        except UpstreamReject as reject:
            self.fail(reject)

    def delivered(self, transport: asyncio.Transport, ending: str, *, clean: bool) -> None:  # noqa: ARG002
        """Close both sides, whatever of the answer was delivered."""
        transport.abort()
        self._leased.release()
        self._write_down(whole=ending == "complete")
        self.downstream.finish()

    def downstream_lost(self) -> None:
        """Nobody waits for an answer any more."""
        if self._answer:
            self._answer.abandon()
        else:
            self.refused(CLIENT_GONE, "the client went away before the answer")
            self.trace.status = CLIENT_GONE
        self._let_go()
        self._write_down()

    # private

    @property
    def _answer_time(self) -> float:
        return self._forward.timeouts.handshake

    def _request_head(self, peer: Peer) -> bytes:  # noqa: ARG002
        edits, target = self._forward.edits, self._forward.target
        return upgrade_request(self._request, self._forwarded(), edits, target)

    def _open_tunnel(self, agreed: UpgradeResponse, response: ResponseHead, rest: bytes) -> None:
        assert self._exchange is not None
        transport, self._exchange = self._exchange.transport, None
        if transport.get_write_buffer_size():
            transport.abort()
            raise UpstreamReject("The upstream answered before it had read the request.")
        downstream = self.downstream
        head = switching_response(agreed, *self._edits(response))
        self.trace.status = response.status
        self.trace.sent += len(head)
        self.trace.received = downstream.head.size
        record = self.visit.record() if self.visit else None
        client = self._client
        arrival = Arrival(client, downstream.via(client), downstream.door)
        passage = Passage(self._context, arrival, self._leased, record)
        passage.announce(self._request, agreed)
        first, others = rsv_rules(agreed.extensions)
        early = self.downstream.take_early()
        self.downstream.leave()
        self._context.driver.open(
            self._forward.rules,
            leg(self.downstream.transport),
            leg(transport),
            head=head,
            early_downstream=early,
            early_upstream=rest,
            rsv_first=first,
            rsv_rest=others,
            passage=passage,
        )
