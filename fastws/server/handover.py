"""Moves live tunnels to another process, through a pair of connected Unix stream sockets.

A batch of tunnels comes to rest, and goes over: the descriptors (SCM_RIGHTS) with the size of what
follows, then what is known of each tunnel. The other side makes tunnels of them, at rest too, and
answers with a byte for each: taken or refused. What was taken goes on there, and is forgotten
here; what was not goes on here.

So each tunnel belongs to one side at any time. Who gives takes back what was not answered for, by
shutting its reading half: no answer can be written any more, and one that was is still there to be
read. Who takes begins with nothing before its answer is written.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec

from fastws.errors import FastwsError
from fastws.proxy.ticket import Ticket, Traffic  # noqa: TC001 - msgspec looks at it

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastws._driver import Driver, LegTunnel
    from fastws._sockets import Sockets

# A batch goes over as a whole, and rests until it is there: that is the pause that peers may see.
_BATCH = 32
# What may be queued for its peers makes it large; more than this is nonsense.
_MOST_BYTES = 256 * 1024 * 1024

# For the other side to take a batch, in seconds.
_PATIENCE = 5.0

_HEADER = struct.Struct("=II")  # tunnels, and bytes that follow


class Passage(Protocol):
    """What the log and the counts know of a tunnel."""

    def ticket(self, traffic: Traffic) -> Ticket:
        """Say what another process needs to know of it."""

    def left(self, traffic: Traffic) -> None:
        """Count it out: it goes on in another process."""

    def over(self, report: LegTunnel) -> None:
        """Log that it is over, and count it out."""


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """A tunnel on its way, but for its descriptors; ``queued`` is for the client and the server."""

    ticket: Ticket
    state: bytes
    queued: tuple[bytes, bytes]


_parcels = msgspec.msgpack.Decoder(tuple[Parcel, ...])
# What is raised of bytes that are none: the second by texts that are no UTF-8.
_NONSENSE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, struct.error)


async def give(sock: socket.socket, tunnels: Sequence[LegTunnel]) -> int:
    """Move those of ``tunnels`` that can be moved to who takes them; how many went.

    They have passages of our kind. Raises FastwsError when the other side fails: what it did not
    take goes on here, and nothing more can be given through ``sock``.
    """
    sock.setblocking(False)
    gone = 0
    for start in range(0, len(tunnels), _BATCH):
        try:
            gone += await _give(sock, tunnels[start : start + _BATCH])
        except (OSError, TimeoutError) as error:
            raise FastwsError(f"the other process takes no tunnels: {_why(error)}") from error
    return gone


async def take(
    sock: socket.socket, driver: Driver, sockets: Sockets, arrive: Callable[[Ticket], Passage]
) -> int:
    """Take what the other side gives until it closes its end; how many tunnels that were.

    ``arrive(ticket)`` makes the passage of one, or raises FastwsError to refuse it. Raises
    FastwsError when the other side fails, in the middle of a batch or by nonsense.
    """
    sock.setblocking(False)
    taken = 0
    try:
        while batch := await _receive(sock):
            tunnels = [_adopt(parcel, pair, driver, sockets, arrive) for parcel, pair in batch]
            taken += _begin(sock, tunnels)
    except (OSError, EOFError, TimeoutError, *_NONSENSE) as error:
        raise FastwsError(f"the other process gives no tunnels: {_why(error)}") from error
    return taken


# giving


async def _give(sock: socket.socket, tunnels: Sequence[LegTunnel]) -> int:
    resting: list[LegTunnel] = []
    try:
        async with asyncio.timeout(_PATIENCE):
            resting = await _at_rest(tunnels)
            if resting:
                await _send(sock, resting)
                await _readable(sock)
    except BaseException:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RD)
        raise
    finally:
        answer = _answer(sock, len(resting))
        for tunnel, taken in zip(resting, answer.ljust(len(resting), b"\0"), strict=True):
            if taken:
                _forget(tunnel)
            else:
                tunnel.go_on()
    if len(answer) < len(resting):
        raise ConnectionResetError("it has ended")
    return sum(answer)


async def _at_rest(tunnels: Sequence[LegTunnel]) -> list[LegTunnel]:
    """Return those of the tunnels that came to rest."""
    loop = asyncio.get_running_loop()
    told: list[asyncio.Future[None]] = [loop.create_future() for _ in tunnels]
    try:
        for tunnel, future in zip(tunnels, told, strict=True):
            tunnel.rest(partial(_resolve, future))
        await asyncio.gather(*told)
    except BaseException:
        for tunnel in tunnels:
            tunnel.go_on()
        raise
    return [tunnel for tunnel in tunnels if tunnel.resting]


async def _send(sock: socket.socket, tunnels: Sequence[LegTunnel]) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    body = msgspec.msgpack.encode(
        [
            Parcel(tunnel.passage.ticket(_traffic(tunnel)), tunnel.state(now), tunnel.queued)
            for tunnel in tunnels
        ]
    )
    descriptors = [fd for tunnel in tunnels for fd in tunnel.descriptors]
    socket.send_fds(sock, [_HEADER.pack(len(tunnels), len(body))], descriptors)
    await loop.sock_sendall(sock, body)


def _answer(sock: socket.socket, size: int) -> bytes:
    try:
        return sock.recv(size) if size else b""
    except OSError:
        return b""


# taking


async def _receive(sock: socket.socket) -> list[tuple[Parcel, list[int]]]:
    """Return the next batch, with the descriptors that there are for each; nothing at the end."""
    await _readable(sock)
    header, fds, _, _ = socket.recv_fds(sock, _HEADER.size, 2 * _BATCH)
    if not header:
        return []
    try:
        parcels = await _read_parcels(sock, *_HEADER.unpack(header))
    except BaseException:
        _close(fds)
        raise
    # The system leaves descriptors out when we may not have more.
    return [(parcel, fds[2 * i : 2 * i + 2]) for i, parcel in enumerate(parcels)]


async def _read_parcels(sock: socket.socket, count: int, size: int) -> tuple[Parcel, ...]:
    if size > _MOST_BYTES:
        raise EOFError("a batch is too large")
    async with asyncio.timeout(_PATIENCE):
        parcels = _parcels.decode(await _read(sock, size))
    if len(parcels) != count:
        raise EOFError("a batch is not whole")
    return parcels


def _adopt(
    parcel: Parcel,
    fds: list[int],
    driver: Driver,
    sockets: Sockets,
    arrive: Callable[[Ticket], Passage],
) -> LegTunnel | None:
    """Make a tunnel at rest; None if it cannot be one of ours."""
    if len(fds) < 2:
        _close(fds)
        return None
    try:
        passage = arrive(parcel.ticket)
    except FastwsError:
        _close(fds)
        return None
    legs = [sockets.adopt(fd, queued) for fd, queued in zip(fds, parcel.queued, strict=True)]
    try:
        return driver.adopt(parcel.state, *legs, passage=passage)
    except ValueError:
        passage.left(parcel.ticket.traffic)
        return None


def _begin(sock: socket.socket, tunnels: Sequence[LegTunnel | None]) -> int:
    """Answer which were taken, and let them go on; how many."""
    ours = [tunnel for tunnel in tunnels if tunnel]
    try:
        sock.send(bytes(tunnel is not None for tunnel in tunnels))
    except OSError:
        for tunnel in ours:
            _forget(tunnel)
        raise
    for tunnel in ours:
        tunnel.go_on()
    return len(ours)


# both


def _forget(tunnel: LegTunnel) -> None:
    """Let go of a tunnel that the other side has."""
    passage = tunnel.passage
    tunnel.leave()
    passage.left(_traffic(tunnel))


def _traffic(tunnel: LegTunnel) -> Traffic:
    up, down = tunnel.upward, tunnel.downward
    return up.forwarded, down.forwarded, up.messages, down.messages


async def _readable(sock: socket.socket) -> None:
    """Wait until there is something to read.

    It is then read without another wait, so that nothing is lost when somebody gives up waiting.
    """
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(sock.fileno(), _resolve, readable)
    try:
        await readable
    finally:
        loop.remove_reader(sock.fileno())


async def _read(sock: socket.socket, size: int) -> bytearray:
    """Return so many bytes. Raises EOFError when there are fewer."""
    loop = asyncio.get_running_loop()
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = await loop.sock_recv_into(sock, view)
        if not got:
            raise EOFError("it has ended")
        view = view[got:]
    return data


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing happened within {_PATIENCE:g} s"
    return getattr(error, "strerror", None) or str(error)
