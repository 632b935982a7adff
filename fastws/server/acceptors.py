"""What accepts connections in a worker, under one plan."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Protocol

from fastws.proxy.downstream import Downstream
from fastws.server import tls
from fastws.server.listener import BACKLOG

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Awaitable, Callable

    from fastws._sockets import Sockets
    from fastws.config.model import Listener
    from fastws.proxy.context import Context
    from fastws.server.messages import Plan


class _Closable(Protocol):
    """What accepts connections."""

    def close(self) -> None:
        """Accept no more."""


class Acceptors:
    """Accepts at the sockets of a plan, which stay its owner's.

    Raises FastwsError when a certificate cannot be used.
    """

    def __init__(self, context: Context, plan: Plan, sockets: list[socket.socket]) -> None:
        self._context = context
        self._ready: list[Callable[[], Awaitable[_Closable]]] = []
        self._running: list[_Closable] = []
        rest = iter(sockets)
        for door in plan.doors:
            listener = plan.config.listeners[door.listener]
            tls_context = tls.server_context(listener)
            for _ in range(door.sockets):
                self._ready.append(self._acceptor(next(rest), listener, tls_context))

    async def start(self) -> None:
        """Begin."""
        self._running = [await begin() for begin in self._ready]

    def close(self) -> None:
        """Accept no more."""
        for each in self._running:
            each.close()
        self._running = []

    def _acceptor(
        self, sock: socket.socket, listener: Listener, tls_context: ssl.SSLContext | None
    ) -> Callable[[], Awaitable[_Closable]]:
        context = self._context
        timeouts = context.settings.timeouts

        def downstream() -> Downstream:
            return Downstream(context, tls=listener.address.tls)

        async def bare(sockets: Sockets) -> _Closable:
            return sockets.listen(sock.dup(), downstream, timeouts.stall)

        async def transports() -> _Closable:
            return await asyncio.get_running_loop().create_server(
                downstream,
                sock=sock.dup(),
                backlog=BACKLOG,
                ssl=tls_context,
                # The loop takes these with TLS only, and no zero.
                ssl_handshake_timeout=timeouts.head if tls_context else None,
                ssl_shutdown_timeout=max(timeouts.linger, 0.1) if tls_context else None,
            )

        if context.sockets and tls_context is None:
            return partial(bare, context.sockets)
        return transports
