"""The relay core, sans-I/O: `Tunnel` is the pair of pipes between two connections."""

from enum import IntFlag

from typing_extensions import disjoint_base

from fastws._pipe import Pipe, Rules

class Ending(IntFlag):
    """Why a tunnel ended: the first cause counts."""

    OPEN = 0
    CLIENT_CLOSED = 1
    UPSTREAM_CLOSED = 2
    CLIENT_LOST = 3
    UPSTREAM_LOST = 4
    RULE = 5
    IDLE = 6
    STALL = 7
    SHUTDOWN = 8
    UNANSWERED = 9
    DRAIN = 10

@disjoint_base
class Relay:
    """Takes what is read from one side, and sees to it that it goes to the other."""

@disjoint_base
class Tunnel(Relay):
    """A pair of pipes; a driver subclasses it and fills in the hooks."""

    def __init__(self, rules: Rules, *, rsv_first: int = 0, rsv_rest: int = 0) -> None: ...
    @property
    def rules(self) -> Rules:
        """Those of its route."""

    @property
    def upward(self) -> Pipe:
        """From the client to the server."""

    @property
    def downward(self) -> Pipe:
        """From the server to the client."""

    @property
    def ending(self) -> int:
        """Why it ended, as `Ending` has it."""

    @property
    def code(self) -> int:
        """The close code, as it stands in the log; 0 while it is open."""

    @property
    def reason(self) -> bytes:
        """The close reason."""

    def wake(self) -> None:
        """The time is up for which the tunnel asked its driver."""

    def shut_down(self, code: int, reason: bytes, ending: int) -> int:
        """Close both sides with `code`, at the next frame boundary of each."""

    def abort(self) -> int:
        """Let go of both connections now."""

    def state(self, now: float) -> bytes:
        """The tunnel in bytes, but for what is queued.

        `now` is the time of the clock that ticks for it, in seconds. Raises ValueError unless the
        tunnel is open: one that ends does so where it is.
        """

    def restore(self, state: bytes, now: float) -> None:
        """Become the tunnel of that state; for a new object, in place of its initialization.

        Raises ValueError if the state is broken, or of another version.
        """
