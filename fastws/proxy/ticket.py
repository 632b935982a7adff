"""What is known of a tunnel beside its bytes, when it moves to another process."""

import msgspec


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What the log and the counts go on by.

    ``number`` is the tunnel's in the log, ``client`` as it stands there; ``upstream`` is the name
    of a group and ``peer`` the address of a server in it; ``age`` is in seconds.
    """

    number: int
    client: str
    upstream: str
    peer: str
    age: float
