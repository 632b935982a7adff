"""What the drivers have in common: tunnels between two legs, their clock, their buffer."""

import asyncio
from typing import Any, Protocol, final

from typing_extensions import disjoint_base

from fastws._relay import Rules, Tunnel

class _Passage(Protocol):
    """What the log is to be told of a tunnel."""

    def over(self, report: LegTunnel) -> None:
        """Both connections are gone."""

def peer_address(fd: int) -> tuple[str, int]:
    """The address and port of the peer of a TCP socket; ("", 0) for any other."""

def own_address(fd: int) -> tuple[str, int]:
    """The address and port of a TCP socket itself; ("", 0) for any other."""

@final
class Driver:
    """Relays between the legs of tunnels on `loop`, a uvloop loop.

    `interval`: seconds between two looks at the clock, which is how late a time limit of a tunnel
    may be.
    """

    interval: float

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    def __init__(self, loop: asyncio.AbstractEventLoop, *, interval: float = 1) -> None: ...
    def __len__(self) -> int:
        """How many tunnels are open."""

    def open(
        self,
        rules: Rules,
        downstream: Leg,
        upstream: Leg,
        *,
        head: bytes,
        early_downstream: bytes,
        early_upstream: bytes,
        rsv_first: int = 0,
        rsv_rest: int = 0,
        passage: _Passage,
    ) -> LegTunnel:
        """Take over two connections and relay between them.

        `head` is the answer that the client still has to get, the early bytes are what came
        behind either head. `passage.over(tunnel)` is called when both connections are gone.
        """

    def tunnels(self) -> list[LegTunnel]:
        """All that are open, the youngest first."""

    def traffic(self) -> tuple[int, int, int, int]:
        """What went through the open tunnels: bytes from and to clients, then messages."""

    def tick(self) -> None:
        """Let every tunnel look at the clock."""

    def shut_down(self, code: int, reason: bytes) -> None:
        """Close every tunnel with `code`, each at its next frame boundaries."""

    def abort(self) -> None:
        """Let go of every connection now."""

@final
class LegTunnel(Tunnel):
    """A tunnel between two legs."""

    @property
    def passage(self) -> Any:
        """What was given to `Driver.open`; None when the tunnel is over."""

    def start(self, head: bytes, early_downstream: bytes, early_upstream: bytes) -> None:
        """Send the answer, then the bytes that came behind the heads; from now on, read."""

@disjoint_base
class Leg:
    """One connection of a tunnel; each driver has its kind."""
