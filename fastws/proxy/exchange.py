"""The HTTP exchange with a peer: our request, and the head of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.errors import UpstreamReject
from fastws.protocol.head import ResponseHead
from fastws.upstream.connector import Caller

if TYPE_CHECKING:
    import asyncio

    from fastws.protocol.head import Limits
    from fastws.proxy.session import Session
    from fastws.upstream.connector import Attempt, Connector
    from fastws.upstream.peer import Peer

_SWITCHING = 101
_FINAL = 200


class Exchange(Caller):
    """The protocol of a peer's connection, from the first attempt to the head of its answer.

    ``interim``: the session hears of interim answers, too.
    """

    __slots__ = (
        "_attempt",
        "_head",
        "_heard",
        "_request",
        "_reused",
        "_session",
        "connected",
        "stale",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, session: Session, limits: Limits, request: bytes, *, interim: bool) -> None:
        self.connected = False
        self.stale = False  # a connection that served before was lost before anything came
        self._reused = self._heard = False
        self._session: Session | None = session
        self._request = request
        self._head = ResponseHead(limits, interim=interim)
        self._attempt: Attempt | None = None

    @property
    def size(self) -> int:
        """Bytes of the request's head."""
        return len(self._request)

    def connect(self, connector: Connector, peer: Peer) -> None:
        """Connect to ``peer``.

        Raises OSError if it fails at once.
        """
        self._attempt = connector.connect(peer, self)

    def reuse(self, transport: asyncio.Transport) -> None:
        """Ask on a connection that is there already."""
        self._reused = True
        transport.set_protocol(self)
        self.connection_made(transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.connected = True
        self.transport.write(self._request)
        if self._session:
            self._session.connected()

    def connect_failed(self, error: OSError) -> None:
        """Let the session try another peer."""
        if self._session:
            self._session.unconnected(error)

    def data_received(self, data: bytes) -> None:
        session, head = self._session, self._head
        if session is None:
            return
        self._heard = True
        try:
            rest = head.feed(data)
            while rest is not None and head.status < _FINAL and head.status != _SWITCHING:
                session.interim(head)
                head.again()
                rest = head.feed(rest)
        except UpstreamReject as reject:
            session.garbled(reject)
            return
        if rest is not None:
            self._session = None
            session.answered(head, rest)

    def pause_writing(self) -> None:
        if self._session:
            self._session.upstream_full()

    def resume_writing(self) -> None:
        if self._session:
            self._session.upstream_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stale = self._reused and not self._heard
        session, self._session = self._session, None
        if session:
            answer = "whole answer" if self._heard else "answer"
            why = "it closed the connection"
            if isinstance(exc, OSError):
                why = f"it was lost: {exc.strerror or exc}"
            session.unanswered(UpstreamReject(f"The upstream gave no {answer}; {why}."))

    def abandon(self) -> None:
        """Hang up: the answer is of no interest any more."""
        self._session = None
        if self.connected:
            self.transport.abort()
        elif self._attempt:
            self._attempt.abort()
