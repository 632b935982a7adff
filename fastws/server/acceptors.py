"""What accepts connections in a worker, under one plan."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastws.proxy.announced import AnnouncedAcceptor
from fastws.proxy.downstream import Downstream
from fastws.server import tls
from fastws.server.listener import BACKLOG

if TYPE_CHECKING:
    import socket
    import ssl

    from fastws._sockets import Acceptor
    from fastws.config.model import Listener
    from fastws.proxy.context import Context
    from fastws.server.messages import Plan


class Acceptors:
    """Accepts at the sockets of a plan, which are its own from now on.

    Raises FastwsError when a certificate cannot be used.
    """

    def __init__(self, context: Context, plan: Plan, sockets: list[socket.socket]) -> None:
        self._context = context
        self._timeouts = plan.config.timeouts
        self._sockets = sockets
        self._bare: list[Acceptor | AnnouncedAcceptor] = []
        self._servers: list[asyncio.Server] = []
        listeners = [plan.config.listeners[door.listener] for door in plan.doors]
        contexts = [tls.server_context(listener) for listener in listeners]
        doors = zip(plan.doors, listeners, contexts, strict=True)
        self._places = [
            (listener, tls_context)
            for door, listener, tls_context in doors
            for _ in range(door.sockets)
        ]

    async def start(self) -> None:
        """Begin."""
        for sock, (listener, tls_context) in zip(self._sockets, self._places, strict=True):
            await self._accept(sock, listener, tls_context)

    def finish(self) -> None:
        """Accept who waits already, and then no more."""
        for each in self._bare:
            each.accept_some(BACKLOG)
        self.close()

    def close(self) -> None:
        """Accept no more."""
        for acceptor in self._bare:
            acceptor.close()
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            sock.close()
        self._bare, self._servers, self._sockets = [], [], []

    async def _accept(
        self, sock: socket.socket, listener: Listener, tls_context: ssl.SSLContext | None
    ) -> None:
        context, timeouts = self._context, self._timeouts
        door = str(listener.address)

        def downstream() -> Downstream:
            return Downstream(
                context, door, tls=listener.address.tls, announced=listener.proxy_protocol
            )

        if tls_context and listener.proxy_protocol:
            self._bare.append(AnnouncedAcceptor(context, sock, downstream, tls_context, timeouts))
            return
        if context.sockets and tls_context is None:
            self._bare.append(context.sockets.listen(sock, downstream, timeouts.stall))
            return
        server = await asyncio.get_running_loop().create_server(
            downstream,
            sock=sock,
            backlog=BACKLOG,
            ssl=tls_context,
            # The loop takes these with TLS only, and no zero.
            ssl_handshake_timeout=timeouts.head if tls_context else None,
            ssl_shutdown_timeout=max(timeouts.linger, 0.1) if tls_context else None,
        )
        self._servers.append(server)
