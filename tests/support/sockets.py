"""`Sockets` of one driver on a loop that the test turns by hand, and peers on raw sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import uvloop
from support.raw import Wire
from support.waiting import PATIENCE

from fastws._driver import Driver
from fastws._pipe import Rules
from fastws.config.model import Address
from fastws.proxy.drivers import bare_sockets
from fastws.proxy.ticket import Ticket, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastws._driver import LegTunnel
    from fastws._sockets import SocketLeg, Sockets

TINY = 4096  # of a socket's buffers: the system doubles it


class Recorder(asyncio.Protocol):
    """Notes what it is told; `data` is what came, `said` everything else in order."""

    transport: SocketLeg

    def __init__(self) -> None:
        self.data = bytearray()
        self.said: list[str] = []
        self.error: BaseException | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.said.append("made")

    def connect_failed(self, error: OSError) -> None:
        self.said.append("failed")
        self.error = error

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool | None:
        self.said.append("eof")
        return True

    def pause_writing(self) -> None:
        self.said.append("pause")

    def resume_writing(self) -> None:
        self.said.append("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.said.append("lost")
        self.error = exc

    @property
    def over(self) -> bool:
        return self.said[-1:] in (["lost"], ["failed"])


class Passage:
    """Keeps the report of a tunnel, and whether it left for another process."""

    report: LegTunnel | None = None
    gone = False

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def ticket(self, traffic: Traffic) -> Ticket:
        address = Address(host="127.0.0.1", port=2)
        return Ticket(self.number, "192.0.2.1:1", "ws://:80", 7, address, 3.5, traffic)

    def left(self, _traffic: Traffic) -> None:
        self.gone = True

    def over(self, report: LegTunnel) -> None:
        self.report = report


class Stage:
    """A driver's sockets, listening; nothing happens but in `until` and `run`."""

    def __init__(self, driver: str, folder: Path, *, unix: bool = False) -> None:
        self.loop = uvloop.new_event_loop()
        self.faults: list[BaseException] = []
        self.loop.set_exception_handler(lambda _, context: self.faults.append(context["exception"]))
        self.driver = Driver(self.loop, interval=0.05)
        made = bare_sockets(driver, self.driver)
        assert made is not None
        self.sockets: Sockets = made
        self.made: list[Any] = []  # the protocols of the accepted connections
        self.factory: Callable[[], Any] = Recorder
        self.family = socket.AF_UNIX if unix else socket.AF_INET
        self.folder = folder
        self.listener = self.listening("downstream")
        self.place = self.listener.getsockname()
        self.acceptor = self.sockets.listen(self.listener, self._make, 60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.acceptor.close()
        for protocol in self.made:
            with suppress(AttributeError):
                protocol.transport.abort()
        self.driver.abort()
        try:
            if kind is None:
                self.until(lambda: all(one.over for one in self.made if isinstance(one, Recorder)))
                self.until(lambda: not getattr(self.sockets, "in_flight", 0))
        finally:
            self.run()
            self.loop.close()

    def _make(self) -> Any:
        self.made.append(None)
        self.made[-1] = self.factory()
        return self.made[-1]

    # -- time -------------------------------------------------------------------------------

    def until(self, condition: Callable[[], object]) -> None:
        """Turn the loop until the condition holds."""

        async def wait() -> None:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110 - it may look at a socket
                    await asyncio.sleep(0.001)

        self.loop.run_until_complete(wait())

    def run(self, seconds: float = 0.05) -> None:
        """Turn the loop for a while, to see that something does not happen."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    # -- connections ------------------------------------------------------------------------

    def listening(self, name: str, *, backlog: int = 128) -> socket.socket:
        """A listening socket whose connections have tiny buffers."""
        sock = socket.socket(self.family)
        shrink(sock)
        unix = self.family == socket.AF_UNIX
        sock.bind(str(self.folder / name) if unix else ("127.0.0.1", 0))
        sock.listen(backlog)
        sock.setblocking(False)
        return sock

    def accepted(self, **options: bytes | None) -> tuple[Wire, Any]:
        """A peer with tiny buffers, and the protocol of the connection it made."""
        sock = socket.socket(self.family)
        shrink(sock)
        sock.connect(self.place)
        number = len(self.made)
        self.until(lambda: len(self.made) > number and self.made[number] is not None)
        wire = Wire(sock, **options)  # type: ignore[arg-type]
        sock.setblocking(False)
        return wire, self.made[number]

    def packed(self, sock: socket.socket) -> bytes:
        """The address of a listening socket as connect(2) wants it."""
        if self.family == socket.AF_UNIX:
            return struct.pack("=H", socket.AF_UNIX) + os.fsencode(sock.getsockname()) + b"\0"
        host, port = sock.getsockname()
        return struct.pack("=H", socket.AF_INET) + struct.pack(
            "!H4s8x", port, socket.inet_aton(host)
        )

    def connected(self) -> tuple[Wire, Recorder]:
        """The protocol of a connection that the driver made, and its peer."""
        protocol = Recorder()
        with self.listening(f"upstream{os.urandom(4).hex()}") as listener:
            self.sockets.connect(self.packed(listener), protocol, 60)
            self.until(lambda: protocol.said)
            sock, _ = listener.accept()
        sock.setblocking(False)
        wire = Wire(sock)
        sock.setblocking(False)
        return wire, protocol

    @contextmanager
    def tunnel(self, **rules: float) -> Iterator[tuple[Wire, Wire, Passage]]:
        """An open tunnel: the client's wire, the upstream's, and what the log is told."""
        client, downstream = self.accepted(key=b"\0\0\0\0")
        server, upstream = self.connected()
        for leg in (downstream, upstream):
            shrink_descriptor(leg.transport.fileno())
        passage = Passage(len(self.driver))
        self.made.remove(downstream)
        self.driver.open(
            Rules(**rules),
            downstream.transport,
            upstream.transport,
            head=b"",
            early_downstream=b"",
            early_upstream=b"",
            passage=passage,
        )
        with client, server:
            yield client, server, passage

    # -- bytes ------------------------------------------------------------------------------

    def receive(self, wire: Wire, size: int, sip: int = 1 << 16) -> bytes:
        """So many bytes, read in sips while the loop turns; fewer if the connection ends."""
        got = bytearray()

        def more() -> bool:
            data = take(wire, min(sip, size - len(got)))
            if data:
                got.extend(data)
            return data == b"" or len(got) >= size

        self.until(more)
        return bytes(got)

    def rest(self, wire: Wire) -> bytes:
        """All bytes until the end of the connection."""
        return self.receive(wire, 1 << 40)

    def flood(self, wire: Wire, data: bytes) -> int:
        """Send the data again and again until nothing is taken any more; how many bytes went."""
        data *= 200_000 // len(data) + 1
        sent, stuck = 0, 0
        while stuck < 20:
            count = give(wire, data[sent % len(data) :])
            sent += count
            stuck = 0 if count else stuck + 1
            self.run(0.002)
        return sent


def shrink(sock: socket.socket) -> None:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, TINY)
    if sock.family != socket.AF_UNIX:
        # A segment larger than the buffer would wait for timers.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)


def shrink_descriptor(fd: int) -> None:
    with socket.socket(fileno=os.dup(fd)) as sock:
        shrink(sock)


def take(wire: Wire, size: int) -> bytes | None:
    """What has come, empty at the end, None if there is nothing now."""
    try:
        return wire.sock.recv(size)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""


def give(wire: Wire, data: bytes) -> int:
    """How much of the data the system takes now."""
    try:
        return wire.sock.send(data)
    except BlockingIOError:
        return 0
