"""What the supervisor and a worker say to each other."""

import socket

import msgspec

from fastws.config.model import Config
from fastws.server.closing import Closing

# A socket to accept at, and which of the configuration's listeners it is for.
Door = tuple[int, socket.socket]


class Plan(msgspec.Struct, frozen=True):
    """Everything that a worker is to do.

    ``peers`` are the numbers of the servers of each upstream on the board, in their order.
    """

    config: Config
    peers: dict[str, tuple[int, ...]]
    page: bytes | None = None


class _Message(msgspec.Struct, frozen=True, tag_field="is"):
    pass


# To a worker. Each is answered, once it is done, by the number that it has.


class _Order(_Message, frozen=True):
    number: int

    @property
    def descriptors(self) -> int:
        """How many come with it."""
        return 0


class _OrderWithOne(_Order, frozen=True):
    @property
    def descriptors(self) -> int:
        return 1


class Take(_Order, frozen=True, tag="take"):
    """Keep the sockets that come with this, one for each of ``listeners``, for the `Prepare`."""

    listeners: tuple[int, ...]

    @property
    def descriptors(self) -> int:
        """How many come with it."""
        return len(self.listeners)


class Prepare(_OrderWithOne, frozen=True, tag="prepare"):
    """Make ready to go by another plan, which lies pickled in the file that comes with this."""


class Commit(_Order, frozen=True, tag="commit"):
    """Go by the plan that was prepared, or that it began with; or with ``give_up`` forget it."""

    give_up: bool = False


class Report(_Order, frozen=True, tag="report"):
    """Put on the board what only the worker knows."""


class Reopen(_Order, frozen=True, tag="reopen"):
    """Open the log's file again."""


class Stop(_Order, frozen=True, tag="stop"):
    """Accept no more, close every tunnel, and exit.

    They are closed within ``spread`` seconds, at random; what is left ``timeout`` seconds after the
    last is cut.
    """

    closing: Closing
    spread: float
    timeout: float


class Drain(_Order, frozen=True, tag="drain"):
    """Close tunnels: those to ``peers`` or from ``door``, or all of them if neither is given.

    For the times see `fastws.server.closing`.
    """

    closing: Closing
    rate: float
    jitter: float
    deadline: float
    peers: tuple[int, ...] = ()
    door: str = ""


class Leave(_Order, frozen=True, tag="leave"):
    """Accept no more, and wait until who was accepted has a tunnel or an answer.

    That is for so many ``seconds`` at most. Tunnels go on.
    """

    seconds: float


class HandOver(_OrderWithOne, frozen=True, tag="hand over"):
    """Give tunnels to who has the other end of the socket that comes with this: so many at most.

    With ``leave`` give all that can move, those too that open in the next ``leave`` seconds: see
    `Leave`.
    """

    most: int | None = None
    leave: float = 0.0


class TakeOver(_OrderWithOne, frozen=True, tag="take over"):
    """Take the tunnels that come through the socket that comes with this."""


Order = Drain | Leave | HandOver | TakeOver | Take | Prepare | Commit | Report | Reopen | Stop


# From a worker.


class Ready(_Message, frozen=True, tag="ready"):
    """It is prepared for the plan that it began with."""

    driver: str


class Done(_Message, frozen=True, tag="done"):
    """What was asked for under a number is done, or not: then ``error`` says why."""

    number: int
    error: str = ""


class Failed(_Message, frozen=True, tag="failed"):
    """It cannot begin: what the operator has to put right."""

    error: str


News = Ready | Done | Failed
