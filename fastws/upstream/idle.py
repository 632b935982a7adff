"""Connections to servers that wait for the next request, as nginx's ``keepalive`` keeps them."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastws.upstream.peer import Peer

# Seconds that more than are to be kept wait. Answers come in bursts, and so do the next requests:
# what the one puts here the other takes.
_SURPLUS = 1.0


class Idle:
    """The connections to the servers of one upstream that are not in use.

    At most ``most`` are kept, the latest ones, each for ``seconds``; others for a moment only.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._waiting: list[_Waiting] = []  # those that wait longest first
        self._timer: asyncio.TimerHandle | None = None  # for the first, as it was some time ago
        self._trimming: asyncio.TimerHandle | None = None  # if there are too many

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, peer: Peer) -> asyncio.Transport | None:
        """Return the connection to ``peer`` that was used last; None if there is none."""
        for waiting in reversed(self._waiting):
            if waiting.peer is peer:
                self._waiting.remove(waiting)
                if waiting.silent:
                    return waiting.transport
                waiting.transport.abort()
        return None

    def put(self, peer: Peer, transport: asyncio.Transport) -> None:
        """Keep a connection that has served its request, and on which nothing is under way."""
        loop = asyncio.get_running_loop()
        self._waiting.append(_Waiting(self, peer, transport, loop.time() + self._seconds))
        if not self._most:
            self._trim()
        elif len(self._waiting) > self._most and self._trimming is None:
            self._trimming = loop.call_later(_SURPLUS, self._trim)
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look, loop)

    def forget(self, waiting: _Waiting) -> None:
        """Leave it out."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def _trim(self) -> None:
        """Close those that are too many."""
        self._trimming = None
        while len(self._waiting) > self._most:
            self._waiting[0].drop()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close those that waited long enough, and look again when the next one has."""
        self._timer = None
        while self._waiting and self._waiting[0].deadline <= loop.time():
            self._waiting[0].drop()
        if self._waiting:
            left = self._waiting[0].deadline - loop.time()
            self._timer = loop.call_later(left, self._look, loop)


class _Waiting(asyncio.Protocol):
    """The protocol of a connection while it waits: whatever happens ends it."""

    def __init__(
        self, idle: Idle, peer: Peer, transport: asyncio.Transport, deadline: float
    ) -> None:
        self.peer = peer
        self.transport = transport
        self.deadline = deadline
        self._idle = idle
        transport.set_protocol(self)
        transport.resume_reading()

    @property
    def silent(self) -> bool:
        """Whether there is nothing to read, not even the end, that was not told yet."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def drop(self) -> None:
        """Close it."""
        self._idle.forget(self)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        """Nobody asked for anything."""
        self.drop()

    def eof_received(self) -> None:
        """Close our half, too."""
        self.drop()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Know that it is gone."""
        self._idle.forget(self)
