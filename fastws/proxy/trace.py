"""What a request has come to: the bytes and times that nginx's variables tell of."""

from __future__ import annotations

import msgspec

_SWITCHING = 101


class Try(msgspec.Struct, array_like=True):
    """One attempt at an answer; times are the loop's, None for what did not happen.

    ``status`` is that of the answer, or of the error that there was instead; 0: neither came. The
    bytes are those of heads and bodies, ``head`` those of the answer's head, and ``body`` those of
    the body that went on. It is a ``detour`` if an answer, or a failure, led there from another
    upstream.
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
    head: int = 0
    body: int = 0


class Trace(msgspec.Struct, array_like=True):
    """One request from its first byte on; times are the loop's.

    ``status`` is what the client gets, 0 as long as nobody knows. ``received`` and ``sent`` are
    bytes from and to the client, ``body_sent`` those of the answer's body among them. ``request``
    is its number on its connection, and ``pipelined`` says that it came with the one before. It is
    ``whole`` if its answer went on as it should.
    """

    began: float = 0.0
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

    def begin_try(self, address: str, now: float) -> None:
        """Note that a peer is asked, or that there is none to ask."""
        self._end_try(now)
        self.tries.append(Try(address, now, detour=self.detour))
        self.detour = False

    def connected(self, address: str, sent: int, now: float) -> None:
        """Note to where, and that a head of so many bytes goes out."""
        attempt = self.tries[-1]
        attempt.address = address
        attempt.sent = sent
        attempt.connected = now

    def answered(self, status: int, head: int, rest: int, now: float) -> None:
        """Note an answer: the bytes of its head, and of what came with it."""
        attempt = self.tries[-1]
        attempt.status = status
        attempt.head = head
        attempt.received = head + rest
        attempt.heard = now

    def failed(self, status: int, now: float) -> None:
        """Note that there will be no answer, but this error."""
        attempt = self.tries[-1]
        attempt.status = status
        attempt.ended = now

    def led_elsewhere(self, now: float) -> None:
        """Note that another upstream is asked, whatever this one said."""
        self._end_try(now)
        self.detour = bool(self.tries)

    def end(self, upward: int, downward: int, now: float) -> None:
        """Note that it is over, after so many bytes of a body, or of frames, each way."""
        self.sent += downward
        self.body_sent += downward
        if self.tries:
            last = self.tries[-1]
            last.sent += upward
            last.received = last.head + downward
            last.body = 0 if last.status == _SWITCHING else downward
        self._end_try(now)
        self.ended = now

    def _end_try(self, now: float) -> None:
        if self.tries and self.tries[-1].ended is None:
            self.tries[-1].ended = now


class Record(msgspec.Struct, array_like=True):
    """The lines that a tunnel gets at its end, in pieces, each with the name of its file.

    Behind each piece comes a variable that is known only then, or with an empty name nothing.
    """

    trace: Trace
    lines: list[tuple[str, list[tuple[bytes, str]]]]
