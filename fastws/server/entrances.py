"""How the supervisor is reached: by the control socket, and over HTTP by those who watch."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from fastws.admin import places
from fastws.config.model import Config
from fastws.errors import FastwsError
from fastws.observe.log import Log
from fastws.server import listener
from fastws.server.commands import Commands
from fastws.server.control import LONGEST, Control
from fastws.server.watchers import Watchers


class Entrances:
    """Both, as the configuration has them."""

    def __init__(self, config: Config, commands: Commands, log: Log) -> None:
        self._config = config
        self._log = log
        self._control = Control(commands.by_name())
        self._watchers = Watchers(commands)
        self._path: Path | None = None
        self._servers: list[asyncio.Server] = []

    async def open(self) -> None:
        """Open them.

        Raises FastwsError when one that the configuration asks for cannot be opened. A control
        socket that nobody asked for is no reason not to serve.
        """
        if self._config.control:
            await self._listen(Path(self._config.control))
        else:
            try:
                await self._listen(places.default_path())
            except FastwsError as error:
                self._log.warning("no_control_socket", message=str(error))
        if address := self._config.admin.listen:
            for sock in listener.bind(address, 1)[0]:
                self._servers.append(await asyncio.start_server(self._watchers.serve, sock=sock))

    async def finish(self) -> None:
        """Answer those who wait for the end."""
        await self._control.finish()

    def close(self) -> None:
        """Open no more, until they are opened again; who is connected stays so."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._path:
            with suppress(OSError):
                self._path.unlink()
            self._path = None

    async def _listen(self, path: Path) -> None:
        mask = os.umask(0o177)
        try:
            sock = listener.bind_unix(path)
        except OSError as error:
            raise FastwsError(f"no control socket at {path}: {error.strerror or error}") from error
        finally:
            os.umask(mask)
        self._path = path
        self._servers.append(
            await asyncio.start_unix_server(self._control.serve, sock=sock, limit=LONGEST)
        )
