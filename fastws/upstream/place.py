"""Addresses as connect(2) wants them: struct sockaddr_un, sockaddr_in or sockaddr_in6 of Linux."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastws.config.model import Address


def pack_address(address: Address) -> bytes | None:
    """Pack a configured address; None if it has a name that must be looked up."""
    if address.path is not None:
        return struct.pack("=H", socket.AF_UNIX) + address.path.encode() + b"\0"
    try:
        found = socket.getaddrinfo(
            address.host,
            address.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
    except OSError:
        return None
    return pack(found[0][0], found[0][4])


def pack(family: int, place: Sequence[Any]) -> bytes:
    """Pack what a name stands for, as `socket.getaddrinfo` gives it."""
    host, port, *rest = place
    raw = socket.inet_pton(family, host.partition("%")[0])
    start = struct.pack("=H", family)
    if family == socket.AF_INET:
        return start + struct.pack("!H4s8x", port, raw)
    flow, scope = rest
    return start + struct.pack("!HI16s", port, flow, raw) + struct.pack("=I", scope)
