"""The transport driver: legs over transports of the loop."""

import asyncio
from typing import final

from typing_extensions import disjoint_base

from fastws._driver import Leg

def leg(transport: asyncio.Transport | Leg) -> Leg:
    """The leg that moves the bytes of `transport`, which may be one already."""

@disjoint_base
class TransportLeg(Leg):
    """The protocol of one connection of a tunnel."""

    data_received: None
    def __init__(self, transport: asyncio.Transport) -> None: ...
    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer of the worker, or as much of it as may be read now."""

    def buffer_updated(self, size: int) -> None:
        """So many bytes were read into it."""

    def eof_received(self) -> bool | None:
        """The peer sends no more."""

    def pause_writing(self) -> None:
        """The transport takes no more."""

    def resume_writing(self) -> None:
        """The transport takes more."""

    def connection_lost(self, exc: Exception | None) -> None:
        """There is no connection any more."""

@final
class PlainLeg(TransportLeg):
    """Writes to the socket itself."""

    def writable(self) -> None:
        """The socket has room again."""

    def read_on(self) -> None:
        """The others had their turn."""

@final
class TlsLeg(TransportLeg):
    """Writes through the transport, which encrypts."""
