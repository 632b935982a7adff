"""Listening sockets, bound before anything is served, so that a mistake shows at once.

Over TCP each worker has sockets of its own (SO_REUSEPORT, Linux): the kernel spreads connections
over them by a hash of both addresses, as evenly under a storm as at a trickle. A socket that all
workers watch would go to whoever is first. The supervisor keeps all of them, so that what waits at
the socket of a worker that died is served by the one that takes its place.

As long as an address is served no socket of it is closed, since who waits there, or is about to,
would be turned away: where there are fewer workers than before, some have more than one.
"""

import os
import socket
import stat
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from msgspec.structs import replace

from fastws.config.model import Address
from fastws.errors import FastwsError

# nginx listens with 511; a storm of reconnects after a restart is longer.
BACKLOG = 1024

# Sets of sockets for one worker, above which the load may be uneven by one of them.
_MOST_SETS = 4

Set = list[socket.socket]  # of one worker, at one address: one for each that a name stands for


def bind(address: Address) -> Set:
    """Bind and listen. A name or an empty host may stand for several sockets, of one port.

    Raises FastwsError when the address is in use, not ours, or may not be used.
    """
    try:
        return [bind_unix(Path(address.path))] if address.path is not None else _bind_tcp(address)
    except OSError as error:
        raise _failure(address, error) from error


def bind_unix(path: Path) -> socket.socket:
    """Bind and listen, in place of a socket that nobody listens on any more. Raises OSError."""
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(os.fspath(path))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def spread(address: Address, sets: list[Set], workers: int) -> list[Set]:
    """Return the sets for so many workers at an address that has some: as many for each of them.

    What is added listens when its worker does. Sockets that are not of the kind to be added to are
    shared by all. Raises FastwsError.
    """
    wanted = list(sets)
    try:
        while (
            _is_one_of_many(sets[0])
            and len(wanted) % workers
            and len(wanted) < _MOST_SETS * workers
        ):
            wanted.append(_bind_again(sets[0]))
    except OSError as error:
        close(chain(*wanted[len(sets) :]))
        raise _failure(address, error) from error
    return wanted


def close(sockets: Iterable[socket.socket]) -> None:
    """Close them."""
    for sock in sockets:
        sock.close()


def bound_address(address: Address, sockets: Set) -> Address:
    """Return ``address`` with the port that the kernel chose if it was 0."""
    if address.path is not None:
        return address
    return replace(address, port=sockets[0].getsockname()[1])


def is_at(sock: socket.socket, address: Address) -> bool:
    """Whether a listening socket that is not of our making is what ``address`` means."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return bool(name == address.path)
    host, port = name[:2]
    anywhere = host in ("0.0.0.0", "::")
    return bool(
        address.path is None
        and port == address.port
        and (host == address.host or (anywhere and not address.host))
    )


def unlink(addresses: Iterable[Address]) -> None:
    """Remove the files of Unix sockets that were closed."""
    for address in addresses:
        if address.path is not None:
            Path(address.path).unlink(missing_ok=True)


def _bind_tcp(address: Address) -> Set:
    found = socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    places = [(family, str(place[0])) for family, _, _, _, place in found]
    sockets: Set = []
    port = address.port
    try:
        for family, host in dict.fromkeys(places):
            if bound := _bind_first(family, host, port):
                sockets.append(bound)
                port = bound.getsockname()[1]
        for each in sockets:
            each.listen(BACKLOG)
    except OSError:
        close(sockets)
        raise
    return sockets


def _bind_first(family: int, host: str, port: int) -> socket.socket | None:
    """Bind to an address that nobody else has; None if the machine has no such family."""
    try:
        bound = _tcp_socket(family)
    except OSError:
        return None
    try:
        bound.bind((host, port))
        # Only now, or another process with the option on could have the address already.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        bound.close()
        raise
    return bound


def _is_one_of_many(sockets: Set) -> bool:
    """Whether others can be bound where these are, among which the kernel chooses."""
    return sys.platform == "linux" and all(
        sock.family != socket.AF_UNIX and sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        for sock in sockets
    )


def _bind_again(sockets: Set) -> Set:
    """Bind to the same addresses."""
    others: Set = []
    try:
        for sock in sockets:
            others.append(_tcp_socket(sock.family))
            others[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            others[-1].bind(sock.getsockname())
    except OSError:
        close(others)
        raise
    return others


def _tcp_socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more, as after a kill."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
        except BlockingIOError:
            pass  # somebody listens, and is so busy that no more may wait


def _failure(address: Address, error: OSError) -> FastwsError:
    return FastwsError(f"cannot listen on {address}: {error.strerror or error}")
