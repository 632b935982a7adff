"""The transport driver: tunnels between two transports of the loop."""

import asyncio
from collections.abc import Callable
from typing import final

from typing_extensions import disjoint_base

from fastws._relay import Rules, Tunnel

def peer_address(fd: int) -> tuple[str, int]:
    """The address and port of the peer of a TCP socket; ("", 0) for any other."""

@final
class TransportDriver:
    """Relays between transports of `loop`, a uvloop loop.

    `interval`: seconds between two looks at the clock, which is how late a time limit of a tunnel
    may be.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, interval: float = 1) -> None: ...
    def __len__(self) -> int:
        """How many tunnels are open."""

    def open(
        self,
        rules: Rules,
        downstream: asyncio.Transport,
        upstream: asyncio.Transport,
        *,
        head: bytes,
        early_downstream: bytes,
        early_upstream: bytes,
        rsv_first: int = 0,
        rsv_rest: int = 0,
        on_over: Callable[[TransportTunnel], None],
    ) -> TransportTunnel:
        """Take over two transports and relay between them."""

    def tick(self) -> None:
        """Let every tunnel look at the clock."""

    def shut_down(self, code: int, reason: bytes) -> None:
        """Close every tunnel with `code`, each at its next frame boundaries."""

    def abort(self) -> None:
        """Let go of every connection now."""

@final
class TransportTunnel(Tunnel):
    """A tunnel between two transports."""

    def start(self, head: bytes, early_downstream: bytes, early_upstream: bytes) -> None:
        """Send the answer, then the bytes that came behind the heads; from now on, read."""

@disjoint_base
class Leg:
    """The protocol of one connection of a tunnel."""

    def __init__(
        self, tunnel: TransportTunnel, side: int, transport: asyncio.Transport
    ) -> None: ...
    def get_buffer(self, sizehint: int) -> memoryview: ...
    def buffer_updated(self, size: int) -> None: ...
    def eof_received(self) -> bool | None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...

@final
class PlainLeg(Leg):
    """Writes to the socket itself."""

    def writable(self) -> None:
        """The socket has room again."""

@final
class TlsLeg(Leg):
    """Writes through the transport, which encrypts."""
