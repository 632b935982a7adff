"""The address of a client behind proxies that are trusted."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastws.config import model
    from fastws.proxy.decision import Incoming


# The name that stands for the PROXY header of the connection.
_ANNOUNCED = b"proxy_protocol"

# The port behind an IPv4 address, or an IPv6 address in brackets.
_BEHIND = re.compile(rb"^(?:[^:]*|\[.*\]):(\d{1,5})\s*$")


class RealAddress:
    """Reads the address from a header, if the peer is trusted."""

    def __init__(self, written: model.RealAddress) -> None:
        self._header = written.header.lower().encode()
        self._trusted = written.trusted
        self._recursive = written.recursive

    def trusts(self, peer: str) -> bool:
        """Whether the peer at this address is believed; it is empty behind a Unix socket."""
        return self._covers(_address(peer))

    def of(self, incoming: Incoming) -> tuple[str, int]:
        """Return the client's address and port; the peer's own where no header may be believed.

        The port is 0 where only the address is known.
        """
        downstream = incoming.downstream
        own = downstream.host, downstream.port
        if not self.trusts(downstream.host):
            return own
        if self._header == _ANNOUNCED:
            return (downstream.announced and downstream.announced.source) or own
        return self._named(incoming) or own

    def _named(self, incoming: Incoming) -> tuple[str, int] | None:
        """Return the address in a header; None if there is none."""
        found = None
        values = b",".join(incoming.request.values(self._header)).split(b",")
        for value in reversed(values):
            address = _address(value.strip().decode("latin-1"))
            if address is None:
                break
            found = str(address), _port(value)
            if not self._recursive or not self._covers(address):
                break
        return found

    def _covers(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _port(value: bytes) -> int:
    match = _BEHIND.search(value)
    return int(match[1]) if match else 0


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in a text; a port may stand behind it."""
    host = text.partition("%")[0]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return ip_address(host)
    except ValueError:
        return None
