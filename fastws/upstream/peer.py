"""One server of an upstream, as long as the worker lives."""

import ssl
from dataclasses import dataclass

from fastws.config.model import Address


@dataclass(slots=True, eq=False)
class Peer:
    """Where it is, how it is spoken to, and its share of the connections.

    ``tls`` is the client's context for a ``wss`` address, else None; ``server_name`` is what its
    certificate has to be for.
    """

    address: Address
    weight: int = 1
    tls: ssl.SSLContext | None = None
    server_name: str | None = None

    def __str__(self) -> str:
        return self.address.authority
