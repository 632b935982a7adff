"""Connections on bare descriptors, from accept or connect to close."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, final

from typing_extensions import disjoint_base

from fastws._driver import Driver, Leg

class _Caller(Protocol):
    """The protocol of a connection that is being made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def connect_failed(self, error: OSError) -> None: ...

@disjoint_base
class Sockets:
    """Accepts and connects for `driver`."""

    name: str

    def __init__(self, driver: Driver) -> None: ...
    def listen(
        self, sock: socket.socket, factory: Callable[[], asyncio.Protocol], stall: float
    ) -> Acceptor:
        """Accept from a listening socket; `factory()` makes the protocol of a connection.

        A peer that answers nothing for `stall` seconds is taken for lost.
        """

    def connect(self, address: bytes, protocol: _Caller, stall: float) -> SocketLeg:
        """Connect to a packed sockaddr, and return the transport at once.

        `protocol` is told by `connection_made`, maybe before this returns, or by
        `connect_failed(error)`. Raises OSError if it fails at once.
        """

    def adopt(self, fd: int, queued: bytes) -> SocketLeg:
        """The leg, at rest, of a connection that another process had.

        `queued` is what that had still to send. The descriptor is the leg's from now on.
        """

    def turn(self) -> None:
        """Let everything happen that is due."""

@final
class Acceptor:
    """Accepts from one listening socket."""

    def __init__(
        self, sockets: Sockets, sock: socket.socket, factory: Callable[[], asyncio.Protocol]
    ) -> None: ...
    def accept(self) -> None:
        """Take what waits, a batch of it at most."""

    def accept_some(self, most: int) -> None:
        """Take what waits, so many at most."""

    def resume(self) -> None:
        """Accept again."""

    def close(self) -> None:
        """Close the socket."""

@disjoint_base
class SocketLeg(Leg):
    """One connection on a bare descriptor: a transport while HTTP is spoken, then a leg."""

    def fileno(self) -> int:
        """The descriptor, or -1 when it is closed."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        """As "socket" the transport itself, which has a descriptor; nothing else."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Tell `protocol` from now on."""

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it."""

    def get_write_buffer_size(self) -> int:
        """The bytes that the socket has not taken."""

    def can_write_eof(self) -> bool:
        """Always: see `asyncio.WriteTransport`."""

    def write_eof(self) -> None:
        """End our half behind what is queued."""

    def pause_reading(self) -> None:
        """Read no more."""

    def resume_reading(self) -> None:
        """Read again."""

    def close(self) -> None:
        """End the connection behind what is queued."""

    def abort(self) -> None:
        """End the connection."""
