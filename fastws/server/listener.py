"""Listening sockets, bound before anything is served, so that a mistake shows at once."""

import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from fastws.config.model import Address
from fastws.errors import FastwsError

# nginx listens with 511; a storm of reconnects after a restart is longer.
BACKLOG = 1024


def bind(address: Address) -> list[socket.socket]:
    """Bind and listen; a name or an empty host may stand for several sockets, of one port.

    Raises FastwsError when the address is in use, not ours, or may not be used.
    """
    try:
        if address.path is not None:
            return [_bind_unix(Path(address.path))]
        return _bind_tcp(address)
    except OSError as error:
        why = error.strerror or str(error)
        raise FastwsError(f"cannot listen on {address}: {why}") from error


def bound_address(address: Address, sockets: list[socket.socket]) -> Address:
    """Return ``address`` with the port that the kernel chose if it was 0."""
    if address.path is not None:
        return address
    return replace(address, port=sockets[0].getsockname()[1])


def unlink(addresses: Iterable[Address]) -> None:
    """Remove the files of Unix sockets that were closed."""
    for address in addresses:
        if address.path is not None:
            Path(address.path).unlink(missing_ok=True)


def _bind_tcp(address: Address) -> list[socket.socket]:
    found = socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    places = [(family, place[0]) for family, _, _, _, place in found]
    sockets: list[socket.socket] = []
    port = address.port
    try:
        for family, host in dict.fromkeys(places):
            listening = _listen_tcp(family, str(host), port)
            if listening:
                sockets.append(listening)
                port = listening.getsockname()[1]
    except OSError:
        for listening in sockets:
            listening.close()
        raise
    return sockets


def _listen_tcp(family: int, host: str, port: int) -> socket.socket | None:
    """Listen on one address; None if the machine has no such family."""
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)  # noqa: FBT003
    return listening


def _bind_unix(path: Path) -> socket.socket:
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(os.fspath(path))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)  # noqa: FBT003
    return listening


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more, as after a kill."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # noqa: FBT003
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
        except BlockingIOError:
            pass  # somebody listens, and is so busy that no more may wait
