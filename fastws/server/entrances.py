"""How the supervisor is reached: by the control socket, and over HTTP by those who watch."""

from __future__ import annotations

import asyncio
import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from fastws.admin import places
from fastws.config.model import Address, Config
from fastws.errors import FastwsError
from fastws.server import control, listener, watchers
from fastws.server.control import Control
from fastws.server.holding import Holding, pack, sockets_of, unpack
from fastws.server.watchers import Watchers

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterable

    from fastws.observe.log import Log
    from fastws.server.commands import Commands
    from fastws.server.holding import Key
    from fastws.server.listener import Set

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

# Seconds at the end for those who are connected and have not asked yet, or have no answer.
_PATIENCE = 2.0

# Which of the two a socket is for, when another process gets them.
_CONTROL, _WATCHERS = range(2)


class Entrances:
    """Both, as the configuration has them: bound first, and open once we answer there."""

    def __init__(self, config: Config, commands: Commands, log: Log) -> None:
        self._config = config
        self._log = log
        self._control = Control(commands.by_name())
        self._watchers = Watchers(commands)
        self._serve: tuple[tuple[Serve, int], ...] = (
            (self._control.serve, control.LONGEST),
            (self._watchers.serve, watchers.LONGEST),
        )
        self._inherited: dict[Key, list[Set]] = {}  # another process answers there
        self._bound: dict[Key, list[Set]] = {}
        self._servers: list[asyncio.Server] = []

    def inherit(self, holding: Holding, sockets: Iterable[socket.socket]) -> None:
        """Have those of another process, which answers there until it lets go of them."""
        self._inherited = unpack(holding, sockets)

    def bind(self) -> None:
        """Bind those that we have not inherited.

        Raises FastwsError when one that the configuration asks for cannot be bound. A control
        socket that nobody asked for is no reason not to serve.
        """
        if self._config.control:
            self._bind(Address(path=self._config.control), _CONTROL)
        else:
            try:
                self._bind(self._usual_address(), _CONTROL)
            except FastwsError as error:
                self._log.warning("no_control_socket", message=str(error))
        if address := self._config.admin.listen:
            self._bind(address, _WATCHERS)

    async def open(self) -> None:
        """Answer there, and nowhere else."""
        left = {key: sets for key, sets in self._inherited.items() if key not in self._bound}
        self._inherited = {}
        listener.close(sockets_of(left))
        listener.unlink(address for address, _ in left)
        for (_, kind), sets in self._bound.items():
            serve, longest = self._serve[kind]
            for sock in chain.from_iterable(sets):
                server = await asyncio.start_server(serve, sock=sock.dup(), limit=longest)
                self._servers.append(server)

    def held(self) -> tuple[Holding, list[socket.socket]]:
        """Return what another process needs to have the same sockets, and these."""
        return pack(self._bound)

    def lend(self) -> None:
        """Let another process answer, until `open`; who is connected stays so."""
        for server in self._servers:
            _close(server)
        self._servers.clear()
        self._inherited |= self._bound

    def release(self) -> None:
        """Let go of what another process has."""
        self.lend()
        listener.close(sockets_of(self._inherited))
        self._bound, self._inherited = {}, {}

    def close(self) -> None:
        """Open no more; what another process still answers at stays."""
        ours = [address for address, kind in self._bound if (address, kind) not in self._inherited]
        self.release()
        listener.unlink(ours)

    async def finish(self) -> None:
        """Answer those who wait for the end, or were about to ask when it came."""
        self._control.ending = True
        if waiting := self._control.waiting | self._watchers.waiting:
            await asyncio.wait(waiting, timeout=_PATIENCE)

    def _usual_address(self) -> Address:
        """Return where the control socket is if nobody says where: for as long as we go on."""
        inherited = (address for address, kind in self._inherited if kind == _CONTROL)
        return next(inherited, None) or Address(path=str(places.default_path()))

    def _bind(self, address: Address, kind: int) -> None:
        key = address, kind
        if key in self._inherited:
            self._bound[key] = self._inherited[key]
        elif kind == _CONTROL:
            self._bound[key] = [_bind_privately(address)]
        else:
            self._bound[key] = [listener.bind(address)]


def _close(server: asyncio.Server) -> None:
    """Accept no more, and close it in the next turn of the loop.

    What it has accepted in this one becomes a connection only then, and would be reset.
    """
    loop = server.get_loop()
    for sock in server.sockets:
        loop.remove_reader(sock.fileno())
    loop.call_soon(server.close)


def _bind_privately(address: Address) -> Set:
    """Bind a Unix socket that only our user may use."""
    mask = os.umask(0o177)
    try:
        return [listener.bind_unix(Path(address.path or ""))]
    except OSError as error:
        text = f"no control socket at {address.path}: {error.strerror or error}"
        raise FastwsError(text) from error
    finally:
        os.umask(mask)
