"""The body of a client's request, on its way to the peer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fastws._pump import Pump
from fastws.errors import Reject
from fastws.protocol.body import ChunkedBody

if TYPE_CHECKING:
    import asyncio

    from fastws.config.model import Timeouts
    from fastws.protocol.body import Body
    from fastws.proxy.downstream import Downstream
    from fastws.proxy.watchdog import Watchdog

# A body may take its time, and longer if it is large: bytes for which there is one more second.
_SLOWEST = 1024


class Sender(Protocol):
    """Whose body it is."""

    def uploaded(self) -> None:
        """All of it went on."""

    def upload_failed(self, reject: Reject, ending: str) -> None:
        """Take note that it goes on no more; ``ending`` is the log's word for it."""


class Upload:
    """Keeps what comes of a body before there is a peer, and has a pump move it then.

    It may be sent again as long as nothing went on but what was here before.
    """

    __slots__ = (
        "_body",
        "_downstream",
        "_early",
        "_pump",
        "_sender",
        "_since",
        "_taken",
        "_timeouts",
        "_watchdog",
        "over",
    )

    def __init__(self, sender: Sender, downstream: Downstream, watchdog: Watchdog) -> None:
        self.over = False  # all of it has come, and none is queued that the peer has to take first
        self._sender = sender
        self._downstream = downstream
        self._watchdog = watchdog
        self._body: Body
        self._pump: Pump | None = None
        self._early = b""
        self._timeouts: Timeouts
        self._since = 0.0
        self._taken = -1  # by the peer, when the clock last looked

    @property
    def moved(self) -> int:
        """Bytes of the body that came, framing included."""
        return self._pump.moved if self._pump else 0

    @property
    def intact(self) -> bool:
        """Whether what came of it is all here, so that it may be started again."""
        return self.moved <= len(self._early)

    def start(
        self, transport: asyncio.Transport, timeouts: Timeouts, *, max_body: int, most: int
    ) -> None:
        """Send it to the peer.

        ``max_body`` is the greatest size in bytes, 0 for any; above ``most`` queued bytes the
        client is not read.
        """
        downstream = self._downstream
        self._timeouts = timeouts
        self._since = self._watchdog.now
        self._early += downstream.take_early()
        self._body = downstream.head.body(max_body)
        self._pump = Pump(downstream.transport, transport, self._body, self, most=most)
        downstream.pass_to(self._pump)
        self._watchdog.watch(self, timeouts.body)
        self._pump.start(self._early)

    def stop(self) -> None:
        """Send no more of it."""
        self._watchdog.forget(self)
        if self._pump and not self._pump.over:
            self._pump.stop()
            self._downstream.give_back(b"")

    def rewind(self) -> bool:
        """Take back what was sent, if all of it is here; then it may be started again."""
        if not self.intact:
            return False
        if self.over:
            self._early = self._early[: self.moved]  # what came behind it was given back
            self.over = False
        else:
            self.stop()
        self._pump = None
        return True

    def skip(self) -> None:
        """Drop a body that nobody wants, if it has come already."""
        if self._pump is None:
            body = self._downstream.head.body()
            _, rest = body.feed(self._downstream.take_early())
            self._downstream.give_back(rest)
            self.over = body.complete

    def pause(self) -> None:
        """Wait: the peer does not take it as fast as it comes."""
        if self._pump:
            self._pump.pause()

    def resume(self) -> None:
        """Go on: the peer has taken what was written."""
        if self._pump:
            self._pump.resume()

    def pumped(self, rest: bytes) -> None:
        """All of it went on, or it is malformed; ``rest`` is the next request."""
        self._watchdog.forget(self)
        self._downstream.give_back(rest)
        if self._body.fault is None:
            self.over = True
            self._sender.uploaded()
        else:
            too_large = isinstance(self._body, ChunkedBody) and self._body.too_large
            why = f"In the request {self._body.fault}; send a smaller or a well-formed one."
            self._sender.upload_failed(Reject(413 if too_large else 400, why), "rule")

    def expired(self) -> None:
        """See whether it goes on as fast as it has to."""
        pump = self._pump
        if pump is None:
            return
        if pump.paused:
            self._check_peer(pump)
        else:
            self._check_client(pump.moved)

    def _check_peer(self, pump: Pump) -> None:
        stall = self._timeouts.stall
        # The client cannot send meanwhile: it has as long as if it had been on time.
        self._since = self._watchdog.now - pump.moved / _SLOWEST
        if pump.taken != self._taken:
            self._taken = pump.taken
            self._watchdog.watch(self, stall)
        else:
            reject = Reject(504, f"The upstream took nothing for {stall:g} s.")
            self._sender.upload_failed(reject, "stall")

    def _check_client(self, moved: int) -> None:
        seconds = self._timeouts.body
        left = self._since + seconds + moved / _SLOWEST - self._watchdog.now
        if left > 0:
            self._watchdog.watch(self, left)
        else:
            reject = Reject(408, f"The body did not arrive within {seconds:g} s.")
            self._sender.upload_failed(reject, "stall")
