"""What the drivers have in common: tunnels between two legs, their clock, their buffer."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, final

from typing_extensions import disjoint_base

from fastws._pipe import Rules
from fastws._relay import Tunnel

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
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it relays on."""

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

    def adopt(
        self, state: bytes, downstream: Leg, upstream: Leg, *, passage: _Passage
    ) -> LegTunnel:
        """A tunnel that another process had, at rest until `go_on` is called.

        `state` is what its `state()` was there. Raises ValueError as `Tunnel.restore` does; then
        it is not ours, and the legs are free.
        """

    def tunnels(self) -> list[LegTunnel]:
        """All that are open, the youngest first."""

    def traffic(self) -> tuple[int, int, int, int]:
        """What went through the open tunnels: bytes from and to clients, then messages."""

    def movable(self) -> int:
        """How many tunnels could move to another process: see `LegTunnel.rest`."""

    def tick(self) -> None:
        """Let every tunnel look at the clock."""

    def abort(self) -> None:
        """Let go of every connection now."""

@final
class LegTunnel(Tunnel):
    """A tunnel between two legs."""

    def start(self, head: bytes, early_downstream: bytes, early_upstream: bytes) -> None:
        """Send the answer, then the bytes that came behind the heads; from now on, read."""

    @property
    def passage(self) -> Any:
        """What it was opened with; None when it is over."""

    @property
    def resting(self) -> bool:
        """Is nothing read, so that it may move to another process?"""

    @property
    def movable(self) -> bool:
        """Could it move to another process: see `rest`?"""

    def rest(self, told: Callable[[], object]) -> None:
        """Stop reading, and call `told()` when nothing is under way any more.

        Then `resting` says whether the tunnel can move: it cannot when it ends, or has a leg that
        is not on a bare descriptor. Until `go_on` or `leave`, what its peers send waits in the
        system's buffers.
        """

    @property
    def descriptors(self) -> tuple[int, int]:
        """Those of the client's connection and of the server's."""

    @property
    def queued(self) -> tuple[bytes, bytes]:
        """What is still to be sent to the client, and to the server, of a tunnel at rest."""

    def go_on(self) -> None:
        """Read again: the tunnel is here, and stays."""

    def leave(self) -> None:
        """Forget a tunnel at rest, which goes on in another process.

        Nothing is said to its peers, nor to its passage.
        """

@disjoint_base
class Leg:
    """One connection of a tunnel; each driver has its kind."""
