"""What is known of a tunnel beside its bytes, when it moves to another process."""

import msgspec

from fastws.config.model import Address
from fastws.proxy.trace import Record

Traffic = tuple[int, int, int, int]


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What the log and the counts go on by.

    ``number`` is the tunnel's in the log, ``client`` and ``via`` as they stand there; ``door`` is
    the listener that it came through; ``peer`` is the server's number on the board, which is the
    same in both processes, and ``address`` where it is; ``age`` is in seconds. ``traffic`` was
    counted before: bytes from and to the client, then messages. ``record`` is for its lines in
    access logs.
    """

    number: int
    client: str
    door: str
    peer: int
    address: Address
    age: float
    traffic: Traffic
    via: str = ""
    record: Record | None = None
