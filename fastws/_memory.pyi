"""The driver without sockets: tests, fuzzers and benchmarks play both of them."""

from typing import Literal, TypeAlias

from typing_extensions import Buffer, disjoint_base

from fastws._pipe import Rules
from fastws._relay import Tunnel

_Side: TypeAlias = Literal["downstream", "upstream"]

@disjoint_base
class MemoryTunnel(Tunnel):
    """A tunnel whose connections are byte strings."""

    blocked: set[str]
    def __init__(self, rules: Rules, *, rsv_first: int = 0, rsv_rest: int = 0) -> None: ...
    @property
    def log(self) -> list[tuple[str, str | float]]:
        """What the tunnel asked for, in order: see `MemoryTunnel`."""

    @property
    def over(self) -> bool:
        """Are both connections gone?"""

    def receive(self, side: _Side, data: Buffer) -> None:
        """`side` sent `data`."""

    def splice(self, side: _Side, data: Buffer) -> int:
        """`side` sent `data`, and the driver passes on what nobody has to see.

        Returns how much of it that was, in bytes.
        """

    def receive_eof(self, side: _Side) -> None:
        """`side` shut down its writing half."""

    def lose(self, side: _Side) -> None:
        """The connection to `side` broke."""

    def unblock(self, side: _Side) -> None:
        """`side` takes what is queued for it."""

    def clock(self, now: float) -> None:
        """The time is `now`, in seconds."""

    def moved(self, now: float) -> MemoryTunnel:
        """The same tunnel, as it goes on in another process.

        Raises ValueError as `state` does.
        """

    def take(self, side: _Side) -> bytes:
        """What was sent to `side` since the last call."""
