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


class Exchange(Caller):
    """The protocol of a peer's connection, from the first attempt to the head of its answer."""

    __slots__ = ("_attempt", "_head", "_request", "_session", "connected", "transport")

    transport: asyncio.Transport

    def __init__(self, session: Session, limits: Limits, request: bytes) -> None:
        self.connected = False
        self._session: Session | None = session
        self._request = request
        self._head = ResponseHead(limits)
        self._attempt: Attempt | None = None

    def connect(self, connector: Connector, peer: Peer) -> None:
        """Connect to ``peer``.

        Raises OSError if it fails at once.
        """
        self._attempt = connector.connect(peer, self)

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
        session = self._session
        if session is None:
            return
        try:
            rest = self._head.feed(data)
        except UpstreamReject as reject:
            session.garbled(reject)
            return
        if rest is not None:
            self._session = None
            session.answered(self._head, rest)

    def connection_lost(self, exc: Exception | None) -> None:
        session, self._session = self._session, None
        if session:
            why = f"it was lost: {exc}" if exc else "it closed the connection"
            session.unanswered(UpstreamReject(f"The upstream gave no answer; {why}."))

    def abandon(self) -> None:
        """Hang up: the answer is of no interest any more."""
        self._session = None
        if self.connected:
            self.transport.abort()
        elif self._attempt:
            self._attempt.abort()
