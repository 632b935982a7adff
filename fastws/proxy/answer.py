"""An upstream's answer other than 101, on its way to the client: whole, then both sides close."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastws.protocol.body import Body
    from fastws.proxy.downstream import Downstream
    from fastws.proxy.watchdog import Watchdog
    from fastws.upstream.lease import Lease


class Answer(asyncio.Protocol):
    """The protocol of a peer's connection while the body of its answer is relayed."""

    __slots__ = ("_body", "_downstream", "_lease", "_stall", "_transport", "_watchdog")

    def __init__(  # noqa: PLR0913 -- what an answer ties together
        self,
        watchdog: Watchdog,
        downstream: Downstream,
        transport: asyncio.Transport,
        body: Body,
        lease: Lease,
        *,
        stall: float,
    ) -> None:
        self._watchdog = watchdog
        self._stall = stall
        self._downstream: Downstream | None = downstream
        self._transport = transport
        self._body = body
        self._lease = lease
        transport.set_protocol(self)

    # what the loop says

    def data_received(self, data: bytes) -> None:
        if self._downstream is None:
            return
        goes_on, _ = self._body.feed(data)
        self._downstream.transport.write(goes_on)
        self._watchdog.watch(self, self._stall)
        if self._body.complete or self._body.fault:
            self._end()  # of a fault the client sees that the body is not whole

    def eof_received(self) -> None:
        self._body.eof()
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def expired(self) -> None:
        """End an answer that does not go on."""
        self._end()

    # what the client's connection says

    def pause(self) -> None:
        """Wait: the client does not take it as fast as it comes."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Go on: the client has taken what was written."""
        self._transport.resume_reading()

    def abandon(self) -> None:
        """There is no client any more."""
        self._downstream = None
        self._end()

    def _end(self) -> None:
        self._watchdog.forget(self)
        self._transport.abort()
        self._lease.release()
        downstream, self._downstream = self._downstream, None
        if downstream:
            downstream.finish()
