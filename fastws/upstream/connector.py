"""Opens connections to peers: on bare sockets where that is possible, else on transports."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Protocol

from fastws.upstream.place import pack

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from fastws.upstream.peer import Peer


class Caller(asyncio.Protocol):
    """Who wants a connection, and is also told when there will be none."""

    __slots__ = ()

    def connect_failed(self, error: OSError) -> None:
        """Do without."""
        raise NotImplementedError


class Attempt(Protocol):
    """What is under way to a peer."""

    def abort(self) -> None:
        """Give it up."""


class Sockets(Protocol):
    """What connects bare sockets."""

    def connect(self, address: bytes, protocol: Caller, stall: float) -> Attempt:
        """Connect to a packed address."""


class Connector:
    """Connects to peers on ``loop``.

    Plain connections are made by ``sockets``, if there are any; what the peer does not take within
    ``stall`` seconds ends them.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sockets: Sockets | None, *, stall: float
    ) -> None:
        self._loop = loop
        self._sockets = sockets
        self.stall = stall

    def connect(self, peer: Peer, caller: Caller) -> Attempt:
        """Connect to ``peer``, TLS included; ``caller`` is told, maybe before this returns.

        Raises OSError if it fails at once.
        """
        if self._sockets is None or peer.tls:
            return _Task(self._loop, caller, self._connect_transport(peer, caller))
        if peer.place is not None:
            return self._sockets.connect(peer.place, caller, self.stall)
        return _Task(self._loop, caller, self._connect_name(self._sockets, peer, caller))

    async def _connect_name(self, sockets: Sockets, peer: Peer, caller: Caller) -> None:
        address = peer.address
        found = await self._loop.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        last = OSError("the name has no address")
        for family, _, _, _, place in found:
            failure = await self._try(sockets, pack(family, place), caller)
            if failure is None:
                return
            last = failure
        raise last

    async def _try(self, sockets: Sockets, place: bytes, caller: Caller) -> OSError | None:
        """Connect to one of the addresses of a name; why it failed, if it did."""
        reached = _Reached(caller)
        try:
            attempt = sockets.connect(place, reached, self.stall)
        except OSError as error:
            return error
        try:
            return await reached.outcome
        except asyncio.CancelledError:
            attempt.abort()
            raise

    async def _connect_transport(self, peer: Peer, caller: Caller) -> None:
        # The name that a certificate is for; the loop takes it with TLS only.
        name = (peer.server_name or "localhost") if peer.tls else None
        address = peer.address
        try:
            if address.path is not None:
                await self._loop.create_unix_connection(
                    lambda: caller, address.path, ssl=peer.tls, server_hostname=name
                )
            else:
                await self._loop.create_connection(
                    lambda: caller, address.host, address.port, ssl=peer.tls, server_hostname=name
                )
        except ssl.SSLError as error:
            raise OSError(f"TLS failed: {error.reason or error}") from error
        except ConnectionError as error:
            if error.errno:
                raise
            # The loop has no words for an end of file in the middle of the handshake.
            raise OSError("TLS failed: the connection was closed") from error


class _Task:
    """An attempt that takes a task."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        caller: Caller,
        connecting: Coroutine[None, None, None],
    ) -> None:
        self._task = loop.create_task(self._run(caller, connecting))

    def abort(self) -> None:
        """Give it up."""
        self._task.cancel()

    async def _run(self, caller: Caller, connecting: Coroutine[None, None, None]) -> None:
        try:
            await connecting
        except OSError as error:
            caller.connect_failed(error)


class _Reached(Caller):
    """Hands a connection on to the one who wanted it."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.outcome: asyncio.Future[OSError | None] = asyncio.Future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.set_protocol(self._caller)
        self._caller.connection_made(transport)
        self.outcome.set_result(None)

    def connect_failed(self, error: OSError) -> None:
        if not self.outcome.done():
            self.outcome.set_result(error)
