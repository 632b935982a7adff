"""The body of a peer's answer, on its way to the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastws._pump import Pump
from fastws.protocol.body import SizedBody

if TYPE_CHECKING:
    from fastws.protocol.body import Body
    from fastws.proxy.session import Session
    from fastws.proxy.watchdog import Watchdog

# How long a client that ended its half may take nothing: it may have gone altogether, which no
# event tells.
HALF_CLOSED = 1.0


class Answer(asyncio.Protocol):
    """The protocol of a peer's connection while the body of its answer is relayed.

    No bytes are touched here where both connections are bare sockets; what does come through here
    goes to the same pump. The watchdog looks from time to time whether something moves.
    """

    __slots__ = (
        "_body",
        "_eof",
        "_first",
        "_half_closed",
        "_marked",
        "_marked_at",
        "_pump",
        "_session",
        "_silence",
        "_sink",
        "_stall",
        "_transport",
        "_watchdog",
    )

    def __init__(
        self,
        session: Session,
        watchdog: Watchdog,
        transport: asyncio.Transport,
        sink: asyncio.Transport,
        body: Body,
    ) -> None:
        self._session: Session | None = session
        self._watchdog = watchdog
        self._transport = transport
        self._sink = sink
        self._body = body
        self._pump: Pump | None = None
        self._first = 0  # bytes of the body that came with the head
        self._eof = self._half_closed = False
        self._marked = -1
        self._marked_at = 0.0

    def start(self, head: bytes, rest: bytes, *, silence: float, stall: float, most: int) -> None:
        """Send the head, and relay the body; ``rest`` came behind the head of the peer's answer.

        Where nothing is queued, it may be silent for ``silence`` seconds (0: for ever; a body of
        declared length has ``stall`` then). What is queued is taken within ``stall`` seconds.
        """
        self._stall = stall
        self._silence = silence or (stall if isinstance(self._body, SizedBody) else 0)
        # What is here already goes out in one packet with the head; often it is all there is.
        first, behind = self._body.feed(rest)
        self._first = len(rest) - len(behind)
        if self._body.complete or self._body.fault:
            self._sink.write(head + first)
            self.pumped(behind)
            return
        self._transport.set_protocol(self)
        self._pump = Pump(self._transport, self._sink, self._body, self, most=most)
        self._sink.write(head + first)
        self._watch()
        self._pump.start(b"")

    @property
    def moved(self) -> int:
        """Bytes of the body that came, framing included."""
        return self._first + (self._pump.moved if self._pump else 0)

    # what the peer's connection says

    def data_received(self, data: bytes) -> None:
        if self._pump:
            self._pump.feed(data)

    def eof_received(self) -> None:
        self._eof = True
        if self._pump and not self._pump.eof():
            self._end("upstream_lost")

    def connection_lost(self, exc: Exception | None) -> None:
        self._eof = True
        if not self._body.complete:
            self._end("upstream_lost")

    def pumped(self, rest: bytes) -> None:
        """All of it went on, or it is malformed."""
        if self._body.fault:
            self._end("rule")
        else:
            self._end("complete", clean=not rest and not self._eof)

    def pause_writing(self) -> None:
        if self._session:
            self._session.upstream_full()

    def resume_writing(self) -> None:
        if self._session:
            self._session.upstream_drained()

    def expired(self) -> None:
        """See whether something has moved; end an answer that does not go on."""
        if self._pump is None:
            return
        moved, now = self._pump.taken, self._watchdog.now
        if moved != self._marked or not self._patience:
            self._marked = moved
            self._marked_at = now
            self._watch()
        elif now - self._marked_at < self._patience:
            self._watch()
        elif self._half_closed:
            self._sink.abort()  # which ends the session, too
        else:
            self._end("stall" if self._queued else "idle")

    # what the client's connection says

    def pause(self) -> None:
        """Wait: the client does not take it as fast as it comes."""
        if self._pump:
            self._pump.pause()

    def resume(self) -> None:
        """Go on: the client has taken what was written."""
        if self._pump:
            self._pump.resume()

    def cut(self, ending: str) -> None:
        """End it before it is whole."""
        self._end(ending)

    def hurry(self) -> None:
        """Go on only while the client takes something: it will send no more."""
        self._half_closed = True
        if self._session:
            self._watch()

    def abandon(self) -> None:
        """There is no client any more."""
        self._session = None
        self._close()
        self._transport.abort()

    # private

    @property
    def _queued(self) -> int:
        return self._sink.get_write_buffer_size()

    @property
    def _patience(self) -> float:
        if self._half_closed:
            return HALF_CLOSED
        return self._stall if self._queued else self._silence

    def _watch(self) -> None:
        """Look again when the first of the limits may have been reached."""
        limit = min(self._stall, self._silence or self._stall)
        self._watchdog.watch(self, min(limit, HALF_CLOSED) if self._half_closed else limit)

    def _end(self, ending: str, *, clean: bool = False) -> None:
        session, self._session = self._session, None
        self._close()
        if session:
            session.delivered(self._transport, ending, clean=clean)

    def _close(self) -> None:
        self._watchdog.forget(self)
        if self._pump:
            self._pump.stop()
