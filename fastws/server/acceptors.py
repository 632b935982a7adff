"""What accepts connections in a worker, under one plan."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING

from fastws.errors import FastwsError
from fastws.proxy.downstream import Downstream
from fastws.proxy.tls_acceptor import TlsAcceptor
from fastws.server import tls
from fastws.server.listener import BACKLOG

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence

    from fastws._sockets import Acceptor
    from fastws.config.model import Config, Listener
    from fastws.proxy.context import Context
    from fastws.server.messages import Door


class Acceptors:
    """Accepts at the doors of a configuration, whose sockets are its own from now on.

    Raises FastwsError when a certificate cannot be used.
    """

    def __init__(self, context: Context, config: Config, doors: Sequence[Door]) -> None:
        self._context = context
        self._timeouts = config.timeouts
        self._listeners = config.listeners
        self._doors = list(doors)
        self._own: list[Acceptor | TlsAcceptor] = []
        self._servers: list[asyncio.Server] = []
        self._tls = {i: tls.server_context(config.listeners[i]) for i in {i for i, _ in doors}}

    async def start(self) -> None:
        """Begin. Raises FastwsError when the system does not let us."""
        try:
            for i, sock in self._doors:
                sock.listen(BACKLOG)
                await self._accept(sock, self._listeners[i], self._tls[i])
        except OSError as error:
            raise FastwsError(f"cannot accept connections: {error.strerror or error}") from error

    async def finish(self) -> None:
        """Accept who waits already, and then no more."""
        for each in self._own:
            each.accept_some(BACKLOG)
        # The loop accepts at the others, in its turns.
        for _ in range(BACKLOG):
            if not self._somebody_waits():
                break
            await asyncio.sleep(0)
        self.close()

    def close(self) -> None:
        """Accept no more."""
        for acceptor in self._own:
            acceptor.close()
        for server in self._servers:
            server.close()
        for _, sock in self._doors:
            sock.close()
        self._own, self._servers, self._doors = [], [], []

    def _somebody_waits(self) -> bool:
        watching = select.poll()
        for server in self._servers:
            for sock in server.sockets:
                watching.register(sock.fileno(), select.POLLIN)
        return bool(watching.poll(0))

    async def _accept(
        self, sock: socket.socket, listener: Listener, tls_context: ssl.SSLContext | None
    ) -> None:
        context, timeouts = self._context, self._timeouts
        door = str(listener.address)

        def downstream() -> Downstream:
            return Downstream(
                context, door, tls=listener.address.tls, announced=listener.proxy_protocol
            )

        if tls_context:
            self._own.append(TlsAcceptor(context, sock, downstream, tls_context, timeouts))
        elif context.sockets:
            self._own.append(context.sockets.listen(sock, downstream, timeouts.stall))
        else:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(downstream, sock=sock, backlog=BACKLOG)
            self._servers.append(server)
