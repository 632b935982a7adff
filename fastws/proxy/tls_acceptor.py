"""Accepts where TLS is spoken.

A handshake costs a hundred times what a message does, and the loop would do in one turn all those
whose bytes have come. So one begins when all of the client's hello is here, which most of it is due
to, and few begin in a turn. Until then a connection is a descriptor and a deadline.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import TYPE_CHECKING

from fastws._driver import peer_address
from fastws.errors import HANG_UP, Reject
from fastws.protocol.host import written

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastws.config.model import Timeouts
    from fastws.proxy.context import Context
    from fastws.proxy.downstream import Downstream

# These are as in `fastws._sockets`, whose acceptor makes legs at once, and is there on Linux alone.
_BATCH = 64
# Out of descriptors: how long nothing is accepted, in seconds.
_REST = 0.1
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# RFC 8446 section 5.1: a record's type, and its length in the last two bytes of its header.
_HANDSHAKE = 22
_HEADER = 5
_LONGEST = 1 << 14


class TlsAcceptor:
    """Accepts at a listening socket, and hands each connection to ``factory()`` when its TLS is up.

    Where ``factory()`` waits for a PROXY header, that is read first. What is malformed, or not done
    with all this within ``timeouts.head``, ends the connection. Plain HTTP is handed on, too, for
    it to get an answer that can be read.
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
        self.factory = factory
        self.tls = tls
        self.timeouts = timeouts
        self._sock = sock
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
            _Newcomer(self, sock)

    def close(self) -> None:
        """Accept no more; what is under way goes on."""
        if self._resting:
            self._resting.cancel()
        self.context.loop.remove_reader(self._sock)
        self._sock.close()

    def _resume(self) -> None:
        self._resting = None
        self.context.loop.add_reader(self._sock, self.accept_some, _BATCH)


class _Newcomer(asyncio.Protocol):
    """A connection until its TLS is up: of its bytes no more is taken than a PROXY header."""

    def __init__(self, acceptor: TlsAcceptor, sock: socket.socket) -> None:
        self._acceptor = acceptor
        self._context = acceptor.context
        self._sock = sock
        self._client = written(*peer_address(sock.fileno()))
        self._downstream = acceptor.factory()
        self._awaited = 0  # bytes of a record
        self._plain = False  # what came begins as HTTP does
        self._shaking: asyncio.Task[None] | None = None
        self._over = False
        self._context.rests(self)
        self._context.watchdog.watch(self, acceptor.timeouts.head)
        self._context.loop.add_reader(sock, self._readable)

    # what the worker says

    def expired(self) -> None:
        """Give up: its time is over."""
        seconds = self._acceptor.timeouts.head
        if self._downstream.awaited:
            self._refuse(f"The PROXY header did not arrive within {seconds:g} s.")
        else:
            self._fail(f"TLS was not agreed on within {seconds:g} s.")

    def hurry(self) -> None:
        """Go on: it was made for a request, which is still to come."""

    def dismiss(self) -> None:
        """End the connection."""
        self._leave()
        if self._shaking:
            self._shaking.cancel()
        else:
            self._context.loop.remove_reader(self._sock)
            self._sock.close()
        self._downstream.connection_lost(None)

    # what the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand it on: TLS is up, or there will be none."""
        self._leave()
        transport.set_protocol(self._downstream)
        self._downstream.connection_made(transport)

    def _readable(self) -> None:
        try:
            here = self._read_header() and self._look_for_hello()
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(_why(error))
        except Reject as reject:
            self._refuse(reject.reason)
        else:
            self._context.loop.remove_reader(self._sock)
            if here:
                self._context.handshakes.add(self._begin)
            else:
                # Anew, as the loop watches no longer what it has seen an error of.
                self._context.loop.add_reader(self._sock, self._readable)

    # private

    def _read_header(self) -> bool:
        """Take what is here of a PROXY header; whether there is no more of it to come."""
        header = self._downstream.awaited
        if header is None:
            return True
        data = self._sock.recv(header.most, socket.MSG_PEEK)
        rest = header.feed(data)
        self._sock.recv(len(data) - len(rest or b""))
        if not data:
            raise Reject(HANG_UP, "The connection ended before its PROXY header was whole.")
        return rest is not None

    def _look_for_hello(self) -> bool:
        """Tell whether a whole record is here, or as much of it as will come."""
        data = self._sock.recv(_HEADER + _LONGEST, socket.MSG_PEEK)
        if not data:
            raise ConnectionResetError
        self._plain = b"A" <= data[:1] <= b"Z"
        size = _record(data)
        if len(data) >= size or size == self._awaited:
            self._await_bytes(1)
            return True
        # Only for that much the system calls the connection readable, or for its end.
        self._await_bytes(size)
        return False

    def _await_bytes(self, count: int) -> None:
        self._awaited = count
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def _begin(self) -> None:
        """Go on, if there is still somebody to do it with."""
        if not self._over:
            self._shaking = self._context.loop.create_task(self._hand_on())

    async def _hand_on(self) -> None:
        try:
            if self._plain:
                self._downstream.lacks_tls()
                await self._context.loop.connect_accepted_socket(lambda: self, self._sock)
            else:
                await self._shake_hands()
        except OSError as error:
            if not self._over:
                self._fail(_why(error))

    async def _shake_hands(self) -> None:
        timeouts = self._acceptor.timeouts
        await self._context.loop.connect_accepted_socket(
            lambda: self,
            self._sock,
            ssl=self._acceptor.tls,
            ssl_handshake_timeout=2 * timeouts.head,  # ours is over before
            ssl_shutdown_timeout=max(timeouts.linger, 0.1),  # the loop takes no zero
        )

    def _leave(self) -> None:
        self._over = True
        self._context.works(self)
        self._context.watchdog.forget(self)

    def _fail(self, reason: str) -> None:
        """End without TLS."""
        self._context.access_log.tls_failed(
            client=self._client, door=self._downstream.door, reason=reason
        )
        self.dismiss()

    def _refuse(self, reason: str) -> None:
        """End for the sake of the PROXY header."""
        self._context.access_log.refused(
            client=self._client, target=b"", host=b"", status=HANG_UP, reason=reason
        )
        self.dismiss()


def _record(data: bytes) -> int:
    """Return how many bytes the record takes that begins so, as far as that can be seen."""
    if len(data) < _HEADER:
        return _HEADER
    return _HEADER + int.from_bytes(data[3:5], "big") if data[0] == _HANDSHAKE else 0


def _why(error: OSError) -> str:
    """Return what a handshake failed of, in words."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS failed: {error.reason.replace('_', ' ').lower()}."
    return f"The connection broke: {error.strerror or 'it ended'}."
