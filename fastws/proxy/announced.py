"""TLS behind a proxy that says whom a connection is from: the PROXY header stands before it."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from fastws._driver import peer_address
from fastws.errors import HANG_UP, Reject
from fastws.protocol.host import written
from fastws.protocol.proxy_header import ProxyHeader

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable

    from fastws.config.model import Timeouts
    from fastws.proxy.context import Context
    from fastws.proxy.downstream import Downstream

_BATCH = 64
# Out of descriptors: how long nothing is accepted, in seconds.
_REST = 0.1
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class AnnouncedAcceptor:
    """Accepts at a listening socket, reads the PROXY header of each connection, and begins TLS.

    What is malformed, or does not come whole within ``timeouts.head``, ends the connection.
    """

    def __init__(
        self,
        context: Context,
        sock: socket.socket,
        factory: Callable[[], Downstream],
        tls: ssl.SSLContext,
        timeouts: Timeouts,
    ) -> None:
        self.context = context
        self.timeouts = timeouts
        self._sock = sock
        self._factory = factory
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._resume()

    def accept_some(self, most: int) -> None:
        """Take what waits, so many at most."""
        for _ in range(most):
            try:
                sock, _ = self._sock.accept()
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self.context.loop.remove_reader(self._sock)
                    self._resting = self.context.loop.call_later(_REST, self._resume)
                return
            sock.setblocking(False)
            _Arrival(self, sock)

    def close(self) -> None:
        """Accept no more; those whose header is under way go on."""
        if self._resting:
            self._resting.cancel()
        self.context.loop.remove_reader(self._sock)
        self._sock.close()

    def begin_tls(self, sock: socket.socket, header: ProxyHeader) -> None:
        """Go on with a connection whose header is read."""
        task = self.context.loop.create_task(self._begin_tls(sock, header))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin_tls(self, sock: socket.socket, header: ProxyHeader) -> None:
        def downstream() -> Downstream:
            made = self._factory()
            made.announced = header
            return made

        with suppress(OSError):  # it came to nothing
            await self.context.loop.connect_accepted_socket(
                downstream,
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=self.timeouts.head,
                ssl_shutdown_timeout=max(self.timeouts.linger, 0.1),  # the loop takes no zero
            )

    def _resume(self) -> None:
        self._resting = None
        self.context.loop.add_reader(self._sock, self.accept_some, _BATCH)


class _Arrival:
    """A connection until its header is read: of its bytes no more is taken than that."""

    def __init__(self, acceptor: AnnouncedAcceptor, sock: socket.socket) -> None:
        self._acceptor = acceptor
        self._sock = sock
        self._header = ProxyHeader()
        loop = acceptor.context.loop
        loop.add_reader(sock, self._readable)
        self._timer = loop.call_later(acceptor.timeouts.head, self._expired)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(self._header.most, socket.MSG_PEEK)
            rest = self._header.feed(data)
            self._sock.recv(len(data) - len(rest or b""))
        except BlockingIOError:
            return
        except OSError as error:
            self._refuse(f"The connection broke before its PROXY header was whole: {error}.")
        except Reject as reject:
            self._refuse(reject.reason)
        else:
            if rest is not None:
                self._leave()
                self._acceptor.begin_tls(self._sock, self._header)
            elif not data:
                self._refuse("The connection ended before its PROXY header was whole.")

    def _expired(self) -> None:
        seconds = self._acceptor.timeouts.head
        self._refuse(f"The PROXY header did not arrive within {seconds:g} s.")

    def _refuse(self, reason: str) -> None:
        self._leave()
        self._acceptor.context.access_log.refused(
            client=written(*peer_address(self._sock.fileno())),
            target=b"",
            host=b"",
            status=HANG_UP,
            reason=reason,
        )
        self._sock.close()

    def _leave(self) -> None:
        self._timer.cancel()
        self._acceptor.context.loop.remove_reader(self._sock)
