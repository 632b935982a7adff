"""Web applications that say what they were asked: one, on several servers.

`/echo` sends the body back, `/events` is a stream of server-sent events that goes on when
`/next` is asked for, `/big?N` sends N bytes. aiohttp's also has `/file`, which may be
had in ranges, and `/ws`, an echo.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from aiohttp import web
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

PAGE = b"<!doctype html><title>web</title>"


async def _file(_: web.Request) -> web.FileResponse:
    return web.FileResponse(__file__)


async def echo_messages(request: web.Request) -> web.WebSocketResponse:
    """A WebSocket that echoes text."""
    connection = web.WebSocketResponse()
    await connection.prepare(request)
    async for message in connection:
        await connection.send_str(message.data)
    return connection


@asynccontextmanager
async def aiohttp_web() -> AsyncIterator[str]:
    """The server of aiohttp."""
    following = asyncio.Semaphore(0)

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), headers={"X-Method": request.method})

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await response.write(b"data: %d\n\n" % number)
            await following.acquire()
        return response

    async def go_on(_: web.Request) -> web.Response:
        following.release()
        return web.Response(status=204)

    async def big(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        left = int(request.query_string)
        while left:
            await response.write(b"x" * min(left, 100_000))
            left -= min(left, 100_000)
        return response

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=PAGE, content_type="text/html")

    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/events", events)
    app.router.add_get("/next", go_on)
    app.router.add_get("/big", big)
    app.router.add_get("/file", _file)
    app.router.add_get("/ws", echo_messages)
    app.router.add_get("/", page)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class _Asgi:
    def __init__(self) -> None:
        self.following = asyncio.Semaphore(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"

        async def begin(status: int, **headers: str) -> None:
            lines = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
            await send({"type": "http.response.start", "status": status, "headers": lines})

        async def write(data: bytes, *, more: bool = False) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": more})

        match scope["path"]:
            case "/echo":
                event = await receive()  # which sends a 100, if one is waited for
                await begin(200, x_method=scope["method"])
                while event["more_body"]:
                    await write(event["body"], more=True)
                    event = await receive()
                await write(event["body"])
            case "/events":
                await begin(200, content_type="text/event-stream")
                for number in range(3):
                    await write(b"data: %d\n\n" % number, more=True)
                    await self.following.acquire()
                await write(b"")
            case "/next":
                self.following.release()
                await begin(204)
                await write(b"")
            case "/big":
                await begin(200)
                left = int(scope["query_string"])
                while left:
                    await write(b"x" * min(left, 100_000), more=True)
                    left -= min(left, 100_000)
                await write(b"")
            case _:
                await begin(200, content_type="text/html", content_length=str(len(PAGE)))
                await write(PAGE)


@asynccontextmanager
async def uvicorn_web() -> AsyncIterator[str]:
    """An ASGI application under uvicorn, which answers while it still reads."""
    config = uvicorn.Config(_Asgi(), lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    sock = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.ensure_future(server.serve(sockets=[sock]))
    try:
        yield f"127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        sock.close()


NODE = """
const http = require('http');
let following = 0, waiting = null;
const next = () => following ? (following--, Promise.resolve()) : new Promise(ok => waiting = ok);
const server = http.createServer(async (request, response) => {
  const [path, query] = request.url.split('?');
  if (path === '/echo') {
    response.setHeader('X-Method', request.method);
    request.pipe(response);
  } else if (path === '/events') {
    response.setHeader('Content-Type', 'text/event-stream');
    for (let i = 0; i < 3; i++) { response.write(`data: ${i}\\n\\n`); await next(); }
    response.end();
  } else if (path === '/next') {
    if (waiting) { waiting(); waiting = null; } else following++;
    response.statusCode = 204; response.end();
  } else if (path === '/big') {
    response.end(Buffer.alloc(+query, 'x'));
  } else {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>web</title>');
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
"""


@contextmanager
def node_program(script: str, folder: Path | None = None) -> Iterator[str]:
    """A server that prints its port, and ends with its input."""
    process = subprocess.Popen(
        ["node", "-e", script], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.communicate(timeout=PATIENCE)


ASYNCIO_SERVERS: dict[str, Callable[[], Any]] = {"aiohttp": aiohttp_web, "uvicorn": uvicorn_web}
