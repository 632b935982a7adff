"""Header fields on their way through a proxy."""

from typing import final

@final
class Forwarded:
    """What the upstream is told about the client.

    ``client`` is its address, or ``b"unknown"`` behind a Unix socket; a ``trusted`` peer is a
    proxy whose own forwarding headers are believed.
    """

    def __init__(self, client: bytes, tls: bool, trusted: bool) -> None: ...
    @property
    def client(self) -> bytes:
        """The client's address."""

    @property
    def tls(self) -> bool:
        """Whether it came over TLS."""

    @property
    def trusted(self) -> bool:
        """Whether its own forwarding headers are believed."""
