"""The relay core, sans-I/O: `Pipe` is one direction of a tunnel, `Tunnel` the pair."""

from enum import IntFlag
from typing import final

from typing_extensions import Buffer, disjoint_base

def accept_key(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that answers `key` (RFC 6455 section 4.2.2, 5.4).

    Raises ValueError for a key that is not of 24 bytes.
    """

class Ending(IntFlag):
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

@final
class Rules:
    """What a route asks of its tunnels. Sizes in bytes, times in seconds, 0 for no limit."""

    def __init__(
        self,
        *,
        max_message: int = 0,
        validate_utf8: bool = False,
        queued_bytes: int = 65536,
        idle: float = 0,
        stall: float = 60,
        close: float = 30,
        linger: float = 5,
        ping: float = 0,
    ) -> None: ...
    @property
    def max_message(self) -> int: ...
    @property
    def validate_utf8(self) -> bool: ...
    @property
    def queued_bytes(self) -> int: ...
    @property
    def idle(self) -> float: ...
    @property
    def stall(self) -> float: ...
    @property
    def close(self) -> float: ...
    @property
    def linger(self) -> float: ...
    @property
    def ping(self) -> float: ...

@final
class Pipe:
    """One direction of a tunnel. `masked`: the source is a client, which must mask."""

    def __init__(
        self, rules: Rules, *, masked: bool, rsv_first: int = 0, rsv_rest: int = 0
    ) -> None: ...
    @property
    def boundary(self) -> bool:
        """Does what was forwarded end with a whole frame?"""

    @property
    def forwarded(self) -> int: ...
    @property
    def messages(self) -> int: ...
    @property
    def close_code(self) -> int: ...
    @property
    def close_reason(self) -> bytes: ...
    @property
    def verdict(self) -> int: ...
    @property
    def why(self) -> str | None: ...
    @property
    def ended(self) -> bool: ...
    def state(self, now: float) -> bytes:
        """Where in its stream the pipe stands, in bytes.

        While all is well: what the end of a pipe needs (a verdict, a close frame) does not stand
        there. `now` is the time of the clock that ticks for it, in seconds.
        """

    def restore(self, state: bytes, now: float) -> None:
        """Go on where a pipe with the same rules stood.

        Raises ValueError if no pipe can stand there.
        """

    def forward(self, data: Buffer) -> bytes:
        """Feed all of `data`; returns what may go on to the sink."""

@disjoint_base
class Relay:
    """Takes what is read from one side, and sees to it that it goes to the other."""

@disjoint_base
class Tunnel(Relay):
    """A pair of pipes; a driver subclasses it and fills in the hooks."""

    def __init__(self, rules: Rules, *, rsv_first: int = 0, rsv_rest: int = 0) -> None: ...
    @property
    def rules(self) -> Rules: ...
    @property
    def upward(self) -> Pipe: ...
    @property
    def downward(self) -> Pipe: ...
    @property
    def ending(self) -> int: ...
    @property
    def code(self) -> int: ...
    @property
    def reason(self) -> bytes: ...
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
