"""What the supervisor and a worker say to each other."""

import msgspec

from fastws._relay import Ending
from fastws.config.model import Config


class Door(msgspec.Struct, frozen=True):
    """A listener of the configuration, by its index, and how many sockets one worker has for it."""

    listener: int
    sockets: int


class Plan(msgspec.Struct, frozen=True):
    """Everything that a worker is to do.

    ``peers`` are the numbers of the servers of each upstream on the board, in their order. The
    sockets of the doors come with it, one after the other.
    """

    config: Config
    peers: dict[str, tuple[int, ...]]
    doors: tuple[Door, ...]
    page: bytes | None = None


class _Message(msgspec.Struct, frozen=True, tag_field="is"):
    pass


# To a worker. Each is answered, once it is done, by the number that it has.


class Take(_Message, frozen=True, tag="take"):
    """Keep the sockets that come with this for the next `Prepare`."""

    number: int


class Prepare(_Message, frozen=True, tag="prepare"):
    """Make ready to go by another plan, which lies pickled in the file that comes with this."""

    number: int


class Commit(_Message, frozen=True, tag="commit"):
    """Go by the plan that was prepared; or with ``give_up`` forget it."""

    number: int
    give_up: bool = False


class Report(_Message, frozen=True, tag="report"):
    """Put on the board what only the worker knows."""

    number: int


class Reopen(_Message, frozen=True, tag="reopen"):
    """Open the log's file again."""

    number: int


class Stop(_Message, frozen=True, tag="stop"):
    """Accept no more, close every tunnel with ``code``, and exit.

    They are closed within ``spread`` seconds, at random; what is left ``timeout`` seconds after the
    last is cut. ``ending`` is what the log says of them.
    """

    number: int
    code: int
    reason: str
    spread: float
    timeout: float
    ending: int = int(Ending.SHUTDOWN)


class Drain(_Message, frozen=True, tag="drain"):
    """Close tunnels: those to ``peers`` or from ``door``, or all of them if neither is given.

    For the times see `fastws.server.drain`.
    """

    number: int
    code: int
    reason: str
    rate: float
    jitter: float
    deadline: float
    peers: tuple[int, ...] = ()
    door: str = ""


class HandOver(_Message, frozen=True, tag="hand over"):
    """Give tunnels to who has the other end of the socket that comes with this: so many at most.

    With ``leave`` accept no more connections, and give all that can move, those too that open in
    the next ``leave`` seconds.
    """

    number: int
    most: int | None = None
    leave: float = 0.0


class TakeOver(_Message, frozen=True, tag="take over"):
    """Take the tunnels that come through the socket that comes with this."""

    number: int


Order = Drain | HandOver | TakeOver | Take | Prepare | Commit | Report | Reopen | Stop


# From a worker.


class Ready(_Message, frozen=True, tag="ready"):
    """It accepts connections."""

    driver: str


class Done(_Message, frozen=True, tag="done"):
    """What was asked for under a number is done, or not: then ``error`` says why."""

    number: int
    error: str = ""


class Failed(_Message, frozen=True, tag="failed"):
    """It cannot begin: what the operator has to put right."""

    error: str


News = Ready | Done | Failed
