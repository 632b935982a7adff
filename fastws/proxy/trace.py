"""What a request has come to: the bytes and times that nginx's variables tell of."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Try(msgspec.Struct, array_like=True):
    """One attempt at an answer; times are the loop's, None for what did not happen.

    ``status`` is that of the answer, or of the error that there was instead; 0: neither came. The
    bytes are those of heads and bodies, ``body`` those of the answer's. It is a ``detour`` if an
    answer, or a failure, led there from another upstream.
    """

    address: str
    began: float
    detour: bool = False
    status: int = 0
    connected: float | None = None
    heard: float | None = None
    ended: float | None = None
    sent: int = 0
    received: int = 0
    body: int = 0

    def fail(self, status: int, now: float) -> None:
        """Note that there will be no answer."""
        self.status = status
        self.ended = now


class Trace(msgspec.Struct, array_like=True):
    """One request from its first byte on; times are the loop's.

    ``status`` is what the client gets, 0 as long as nobody knows. ``received`` and ``sent`` are bytes
    from and to the client, ``body_sent`` those of the answer's body among them. ``request`` is its
    number on its connection, and ``pipelined`` says that it came with the one before. It is
    ``whole`` if its answer went on as it should.
    """

    began: float
    request: int = 1
    pipelined: bool = False
    status: int = 0
    received: int = 0
    sent: int = 0
    body_sent: int = 0
    ended: float | None = None
    whole: bool = False
    tries: list[Try] = msgspec.field(default_factory=list)
    detour: bool = False  # the next attempt is one

    def begin_try(self, address: str, now: float, sent: int = 0) -> Try:
        """Note that a peer is asked, or that there is none to ask; the head has ``sent`` bytes."""
        attempt = Try(address, now, detour=self.detour, sent=sent)
        self.tries.append(attempt)
        self.detour = False
        return attempt

    def led_elsewhere(self, now: float) -> None:
        """Note that another upstream is asked, whatever this one said."""
        self._end_try(now)
        self.detour = bool(self.tries)

    def end(self, now: float) -> None:
        """Note that it is over, and with it the last attempt."""
        self.ended = now
        self._end_try(now)

    def _end_try(self, now: float) -> None:
        if self.tries and self.tries[-1].ended is None:
            self.tries[-1].ended = now


class Recorder(Protocol):
    """Who writes a request down in the access logs of its site; its trace says what it came to."""

    def over(self) -> None:
        """Write its lines."""
