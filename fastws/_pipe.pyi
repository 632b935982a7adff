"""One direction of a tunnel, sans-I/O: which bytes may go on from one side to the other."""

from typing import final

from typing_extensions import Buffer

def may_close_with(code: int) -> bool:
    """Whether it may stand in a close frame, by RFC 6455 section 7.4 and IANA's registry."""

@final
class Rules:
    """What a route asks of its tunnels. Sizes in bytes, times in seconds.

    0 is no limit, but for ``close`` and ``linger`` no time.
    """

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
    def max_message(self) -> int:
        """The longest message in bytes; a longer one fails with 1009."""

    @property
    def validate_utf8(self) -> bool:
        """Does a text message that is not UTF-8 fail with 1007?"""

    @property
    def queued_bytes(self) -> int:
        """Bytes that are queued for one side before the other is no longer read."""

    @property
    def idle(self) -> float:
        """Seconds of silence in both directions that end the tunnel."""

    @property
    def stall(self) -> float:
        """Seconds for a side to take something of what is queued for it."""

    @property
    def close(self) -> float:
        """Seconds for the other half of a closing handshake."""

    @property
    def linger(self) -> float:
        """Seconds without progress, after an end of file, that end the other direction."""

    @property
    def ping(self) -> float:
        """Seconds of a side's silence after which it is pinged."""

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
    def forwarded(self) -> int:
        """Bytes that went on."""

    @property
    def messages(self) -> int:
        """Messages whose end went on."""

    @property
    def close_code(self) -> int:
        """That of the source's close frame (1005: it had none); 0 until that came."""

    @property
    def close_reason(self) -> bytes:
        """That of the source's close frame."""

    @property
    def verdict(self) -> int:
        """The close code that the source has earned by breaking a rule; 0: none."""

    @property
    def why(self) -> str | None:
        """The rule that it broke."""

    @property
    def ended(self) -> bool:
        """Has the sink its close frame, so that nothing more is written to it?"""

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
