"""One direction of a tunnel, sans-I/O: which bytes may go on from one side to the other."""

from typing import final

from typing_extensions import Buffer

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
