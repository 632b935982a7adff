"""The address of a client behind proxies that are trusted."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastws.config import model
    from fastws.proxy.decision import Incoming


class RealAddress:
    """Reads the address from a header, if the peer is trusted."""

    def __init__(self, written: model.RealAddress) -> None:
        self._header = written.header.lower().encode()
        self._trusted = written.trusted
        self._recursive = written.recursive

    def of(self, incoming: Incoming) -> str:
        """Return the client's address; the peer's own where no header may be believed."""
        found = incoming.host
        if not self._trusts(_address(found)):
            return found
        values = b",".join(incoming.request.values(self._header)).split(b",")
        for value in reversed(values):
            address = _address(value.strip().decode("latin-1"))
            if address is None:
                break
            found = str(address)
            if not self._recursive or not self._trusts(address):
                break
        return found

    def _trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


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
