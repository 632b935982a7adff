"""Another process takes the place of this one, as both supervisors see it.

The old one starts the program again, and gives it the listening sockets and what has to go on: the
places of servers on the board, and the numbers of tunnels. When the new one says that it is up, it
is told to serve, and when it says that it does, the workers of the old one give their tunnels to
its workers. Only then the old one lets go of the sockets, and drains what cannot move. If the new
one ends before that, the old one goes on. The workers of the new one, which outlive it, give their
tunnels back: they know a way *home*, a socket whose other end the old supervisor has.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import msgspec

from fastws.errors import FastwsError
from fastws.server.channel import MOST_DESCRIPTORS, Channel, pair, sheet
from fastws.server.holding import Holding  # noqa: TC001 - msgspec looks at it

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The new process finds its end of a pair of sockets by this.
_VARIABLE = "FASTWS_PREDECESSOR"

# For the new process to be up, in seconds.
_BIRTH = 60.0

_EARLY_END = "the new process ended before it began"


class Estate(msgspec.Struct, frozen=True):
    """What the new process gets.

    ``number`` is the last one that a tunnel had; ``peers`` are the places of servers, as
    `fastws.server.peers` has them. The sockets come with it: so many that were ``given`` to us,
    those of the listeners, and those of the entrances.
    """

    number: int
    peers: tuple[tuple[str, str, int, int], ...]
    listeners: Holding
    entrances: Holding
    given: int = 0

    @property
    def sockets(self) -> int:
        """How many there are."""
        return self.listeners.count + self.entrances.count + self.given


class _Message(msgspec.Struct, frozen=True, tag_field="is"):
    pass


class Up(_Message, frozen=True, tag="up"):
    """The new process can go on from here."""


class Failed(_Message, frozen=True, tag="failed"):
    """It cannot."""

    error: str


class Serving(_Message, frozen=True, tag="serving"):
    """It accepts connections."""


class Stopping(_Message, frozen=True, tag="stopping"):
    """It was told to stop: nobody is to go on in its place."""


_estate = msgspec.json.Decoder(Estate)
_news = msgspec.json.Decoder(Up | Failed | Serving | Stopping)


class Successor:
    """The new process, for the old one.

    ``gone`` has a result when it has ended before we had no more to do with it, and nobody told it
    to; ``stopping`` when somebody did. Its workers have the other end of ``home``.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pid: int,
        sock: socket.socket,
        home: socket.socket,
    ) -> None:
        self.pid = pid
        self._loop = loop
        self._home = home
        self.gone: asyncio.Future[None] = loop.create_future()
        self.stopping: asyncio.Future[None] = loop.create_future()
        self._up: asyncio.Future[None] = loop.create_future()
        self._serving: asyncio.Future[None] = loop.create_future()
        for future in (self._up, self._serving):
            future.add_done_callback(asyncio.Future.exception)  # not everybody waits for it
        self._lives = True
        self._serves = False  # or is about to: it was told
        self._channel = Channel(loop, sock, self._hear, self._ended)

    async def up(self) -> None:
        """Wait until it is up. Raises FastwsError if it does not come so far."""
        await self._wait_for(self._up)

    async def serve(self) -> None:
        """Let it serve, and wait until it does. Raises FastwsError if it does not come so far."""
        self._serves = True
        try:
            self._channel.send(b"serve")
        except OSError:
            raise FastwsError(_EARLY_END) from None
        await self._wait_for(self._serving)

    def give(self, sock: socket.socket) -> None:
        """Let it take the tunnels that come through ``sock``. Raises OSError."""
        self._channel.send(b"tunnels", [sock.fileno()])

    def take_back(self, take: Callable[[int], None]) -> asyncio.Event:
        """Call ``take(fd)`` for each socket through which its workers give tunnels back.

        Returns what is set when they all have ended.
        """
        over = asyncio.Event()

        def hear(_data: bytes, descriptors: list[int]) -> None:
            for fd in descriptors:
                take(fd)

        Channel(self._loop, self._home.dup(), hear, over.set)
        return over

    def close(self) -> None:
        """Have no more to do with it. One that was not told to serve has no business any more."""
        if not self._serves:
            self._kill()
        self._channel.close()
        self._home.close()

    async def _wait_for(self, step: asyncio.Future[None]) -> None:
        try:
            await asyncio.wait_for(asyncio.shield(step), _BIRTH)
        except TimeoutError:
            self._kill()
            raise FastwsError("the new process did not begin in time") from None

    def _kill(self) -> None:
        if self._lives:  # or its number may be another's by now
            self._lives = False
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _hear(self, data: bytes, _descriptors: list[int]) -> None:
        try:
            news = _news.decode(data)
        except msgspec.MsgspecError:
            self._fail("the new process says what nobody understands")
            return
        match news:
            case Up():
                self._up.set_result(None)
            case Serving():
                self._serving.set_result(None)
            case Failed(error):
                self._fail(error)
            case Stopping():
                if not self.stopping.done():  # it may be told twice
                    self.stopping.set_result(None)

    def _ended(self) -> None:
        self._lives = False
        self._fail(_EARLY_END)
        if not self.stopping.done():
            self.gone.set_result(None)

    def _fail(self, error: str) -> None:
        for step in (self._up, self._serving):
            if not step.done():
                step.set_exception(FastwsError(error))


def begin(
    loop: asyncio.AbstractEventLoop, estate: Estate, sockets: Sequence[socket.socket]
) -> Successor:
    """Start the program again, as it was started. Raises FastwsError when that cannot be."""
    with ExitStack() as opened:
        try:
            ours, theirs = map(opened.enter_context, pair())
            home, away = map(opened.enter_context, pair())
            pid = _spawn(theirs)
            _send(ours, estate, sockets, away)
        except OSError as error:
            raise FastwsError(f"cannot start {sys.executable}: {error.strerror}") from error
        return Successor(loop, pid, ours.dup(), home.dup())


def _spawn(sock: socket.socket) -> int:
    sock.set_inheritable(True)
    environment = {**os.environ, _VARIABLE: str(sock.fileno())}
    environment.pop("WATCHDOG_PID", None)  # systemd's: it is ours
    return os.posix_spawn(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _send(
    sock: socket.socket, estate: Estate, sockets: Sequence[socket.socket], away: socket.socket
) -> None:
    with sheet(msgspec.json.encode(estate)) as paper:
        socket.send_fds(sock, [b"estate"], [paper.fileno(), away.fileno()])
    for start in range(0, len(sockets), MOST_DESCRIPTORS):
        some = sockets[start : start + MOST_DESCRIPTORS]
        socket.send_fds(sock, [b"sockets"], [each.fileno() for each in some])


class Predecessor:
    """The old process, for the new one: what it left, and then its tunnels.

    Through ``home`` tunnels go back to it, until it is ``over``. Raises FastwsError when it does
    not say what there is to know.
    """

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)
        self._socket.settimeout(_BIRTH)
        self.over = asyncio.Event()  # nothing more comes
        try:
            self.estate, self.sockets, self.home = _receive(self._socket)
        except (OSError, ValueError) as error:
            self._socket.close()
            raise FastwsError(f"the old process gives up: {error}") from error

    async def up(self, take: Callable[[int], None]) -> None:
        """Say that we are up, and wait until we are to serve.

        ``take(fd)`` is called for each socket that tunnels come through. Raises FastwsError when
        the old process has gone on by itself, or has ended.
        """
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()

        def hear(_data: bytes, descriptors: list[int]) -> None:
            if not told.done():
                told.set_result(None)
            for fd in descriptors:
                take(fd)

        def ended() -> None:
            if not told.done():
                told.set_exception(FastwsError("the old process does not wait for us any more"))
            self.over.set()

        Channel(loop, self._socket, hear, ended)
        self._say(Up())
        await told

    def serving(self) -> None:
        """Say that we accept connections."""
        self._say(Serving())

    def stopping(self) -> None:
        """Say that we were told to stop."""
        self._say(Stopping())

    def failed(self, error: str) -> None:
        """Say why we do not come so far."""
        self._say(Failed(error))

    def _say(self, news: Up | Failed | Serving | Stopping) -> None:
        # One who does not hear it has ended, or does not wait for us: we hear of that.
        with suppress(OSError):
            self._socket.send(msgspec.json.encode(news))


def predecessor() -> Predecessor | None:
    """Return the process whose place we are to take, if there is one."""
    place = os.environ.pop(_VARIABLE, "")
    return Predecessor(int(place)) if place.isdecimal() else None


def _receive(sock: socket.socket) -> tuple[Estate, list[socket.socket], socket.socket]:
    _, fds, _, _ = socket.recv_fds(sock, 100, 2)
    if len(fds) < 2:
        raise ConnectionResetError("it has ended")
    with os.fdopen(fds[0], "rb") as file:
        file.seek(0)
        estate = _estate.decode(file.read())
    home = socket.socket(fileno=fds[1])
    sockets: list[socket.socket] = []
    while len(sockets) < estate.sockets:
        _, fds, _, _ = socket.recv_fds(sock, 100, MOST_DESCRIPTORS)
        if not fds:
            raise ConnectionResetError("it has ended")
        sockets += [socket.socket(fileno=fd) for fd in fds]
    for each in (home, *sockets):
        each.setblocking(False)
        each.set_inheritable(False)
    return estate, sockets, home
