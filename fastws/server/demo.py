"""What `fastws serve --demo` adds: an upstream that echoes, and a page that talks to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from msgspec.structs import replace
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from fastws.config.model import Address, Config, Server


@asynccontextmanager
async def upstream() -> AsyncIterator[Address]:
    """Run the upstream; where it is."""
    async with serve(_echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield Address(host="127.0.0.1", port=port)


def configured(config: Config, address: Address) -> Config:
    """Return ``config`` with its upstream, a placeholder until now, at ``address``."""
    placeholder = config.upstreams[0]
    return replace(config, upstreams=(replace(placeholder, servers=(Server(address=address),)),))


def page() -> bytes:
    """Read the page, which opens a WebSocket to the address that it came from."""
    return files("fastws.server").joinpath("demo.html").read_bytes()


def url(address: Address) -> str:
    """Return the page's address for the local browser."""
    scheme = "https" if address.tls else "http"
    if address.host in ("", "0.0.0.0", "::"):
        address = replace(address, host="127.0.0.1")
    return f"{scheme}://{address.authority}/"


async def _echo(connection: ServerConnection) -> None:
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass
