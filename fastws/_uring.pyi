"""The io_uring driver: one ring per worker."""

from typing import final

from fastws._sockets import SocketLeg, Sockets

@final
class Uring(Sockets):
    """Sockets over io_uring(7). Raises OSError where the kernel has none, or forbids it."""

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""

@final
class RingLeg(SocketLeg):
    """One connection that the ring serves."""
