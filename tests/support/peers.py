"""Real WebSocket servers that echo, and do one of a few things when a message or a path asks.

    close CODE REASON    the server begins a closing handshake with them
    head                 the server answers with the request head it got, as JSON

All offer the subprotocols `chat` and `superchat`, set two cookies on the 101, and answer the path
`/refused` with a 403 that has a header and a body.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import picows
import uvicorn
from aiohttp import WSMsgType, web
from support.frames import close_payload
from support.waiting import PATIENCE
from websockets.asyncio import server as websockets_server
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from support.loops import LoopThread

SUBPROTOCOLS = ("chat", "superchat")
COOKIES = ("first=1; Path=/", "second=2; HttpOnly")
REFUSED = "no entry: " + "x" * 20_000


def order(message: str | bytes) -> tuple[str, list[str]]:
    """A message as a command and its words; anything else is an echo."""
    if isinstance(message, str) and len(message) < 200:
        word, *rest = message.split(" ", 2)
        if word in {"close", "head"}:
            return word, rest
    return "echo", []


def head_as_json(target: str, headers: object) -> str:
    return json.dumps({"target": target, "headers": list(headers)})  # type: ignore[call-overload]


# -- websockets ---------------------------------------------------------------------------------


async def _websockets_handler(connection: websockets_server.ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            command, words = order(message)
            if command == "close":
                await connection.close(int(words[0]), *words[1:])
            elif command == "head":
                request = connection.request
                await connection.send(head_as_json(request.path, request.headers.raw_items()))
            else:
                await connection.send(message)


def _refuse(connection: Any, request: Any) -> Any:
    if request.path == "/refused":
        response = connection.respond(HTTPStatus.FORBIDDEN, REFUSED)
        response.headers["X-Reason"] = "closed today"
        return response
    return None


def _choose(_connection: Any, offered: Any) -> Any:
    return next((name for name in offered if name in SUBPROTOCOLS), None)


def _add_cookies(_connection: Any, _request: Any, response: Any) -> None:
    if response.status_code == 101:
        for cookie in COOKIES:
            response.headers["Set-Cookie"] = cookie


@asynccontextmanager
async def websockets_echo(
    host: str = "127.0.0.1",
    *,
    tls: ssl.SSLContext | None = None,
    unix: Path | None = None,
    handler: Callable[[Any], Awaitable[None]] = _websockets_handler,
    **options: Any,
) -> AsyncIterator[str]:
    """The server of `websockets`, without limits, with permessage-deflate."""
    settings: dict[str, Any] = {
        "select_subprotocol": _choose,
        "process_request": _refuse,
        "process_response": _add_cookies,
        "max_size": None,
        "max_queue": None,
        "ping_interval": None,
        "open_timeout": PATIENCE,
        "ssl": tls,
        **options,
    }
    if unix:
        async with websockets_server.unix_serve(handler, str(unix), **settings):
            yield f"unix:{unix}"
    else:
        async with websockets_server.serve(handler, host, 0, **settings) as server:
            yield _address(server.sockets[0], host, tls=tls is not None)


def _address(sock: Any, host: str, *, tls: bool = False) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{'wss://' if tls else ''}{shown}:{sock.getsockname()[1]}"


# -- aiohttp ------------------------------------------------------------------------------------


async def _aiohttp_handler(request: web.Request) -> web.StreamResponse:
    if request.path == "/refused":
        return web.Response(status=403, text=REFUSED, headers={"X-Reason": "closed today"})
    socket_ = web.WebSocketResponse(protocols=SUBPROTOCOLS, max_msg_size=0)
    for cookie in COOKIES:
        socket_.headers.add("Set-Cookie", cookie)
    await socket_.prepare(request)
    async for message in socket_:
        command, words = order(message.data)
        if command == "close":
            await socket_.close(code=int(words[0]), message=" ".join(words[1:]).encode())
        elif command == "head":
            headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in request.raw_headers]
            await socket_.send_str(head_as_json(request.raw_path, headers))
        elif message.type is WSMsgType.TEXT:
            await socket_.send_str(message.data)
        else:
            await socket_.send_bytes(message.data)
    return socket_


@asynccontextmanager
async def aiohttp_echo(host: str = "127.0.0.1") -> AsyncIterator[str]:
    """The server of `aiohttp`, with permessage-deflate."""
    application = web.Application()
    application.router.add_get("/{path:.*}", _aiohttp_handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# -- uvicorn ------------------------------------------------------------------------------------


async def _asgi(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "websocket", scope["type"]
    await receive()
    if scope["path"] == "/refused":
        headers = [(b"x-reason", b"closed today"), (b"content-type", b"text/plain")]
        start = {"type": "websocket.http.response.start", "status": 403, "headers": headers}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": REFUSED.encode()})
        return
    offered = [name for name in scope["subprotocols"] if name in SUBPROTOCOLS]
    cookies = [(b"set-cookie", cookie.encode()) for cookie in COOKIES]
    await send(
        {
            "type": "websocket.accept",
            "subprotocol": offered[0] if offered else None,
            "headers": cookies,
        }
    )
    while (event := await receive())["type"] == "websocket.receive":
        message = event["bytes"] if event.get("text") is None else event["text"]
        command, words = order(message)
        if command == "close":
            code, reason = int(words[0]), " ".join(words[1:])
            await send({"type": "websocket.close", "code": code, "reason": reason})
            return
        if command == "head":
            target = scope["raw_path"].decode()
            if scope["query_string"]:
                target += "?" + scope["query_string"].decode()
            headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
            message = head_as_json(target, headers)
        await send(
            {"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message}
        )


@asynccontextmanager
async def uvicorn_echo(
    host: str = "127.0.0.1", *, implementation: str = "websockets-sansio"
) -> AsyncIterator[str]:
    """An ASGI application under `uvicorn`, with permessage-deflate."""
    config = uvicorn.Config(
        _asgi,
        ws=implementation,
        ws_per_message_deflate=True,
        ws_ping_interval=None,
        ws_max_size=1 << 30,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    sock = socket.create_server((host, 0))
    serving = asyncio.ensure_future(server.serve(sockets=[sock]))
    try:
        yield f"{host}:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        sock.close()


# -- picows -------------------------------------------------------------------------------------


class _PicowsEcho(picows.WSListener):
    """Echoes frame by frame, fragments as they are."""

    def __init__(self, request: Any) -> None:
        self.request = request

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        kind = frame.msg_type
        payload = frame.get_payload_as_bytes()
        if kind == picows.WSMsgType.CLOSE:
            transport.send(kind, payload)
            transport.disconnect()
            return
        if kind == picows.WSMsgType.PONG:
            return
        command, words = order(payload.decode() if kind == picows.WSMsgType.TEXT else payload)
        if command == "close":
            reason = " ".join(words[1:])
            transport.send(picows.WSMsgType.CLOSE, close_payload(int(words[0]), reason))
        elif command == "head":
            headers = self.request.headers.items()
            target = self.request.path.decode()
            transport.send(kind, head_as_json(target, list(headers)).encode())
        else:
            transport.send(kind, payload, fin=frame.fin)


def _picows_factory(request: Any) -> Any:
    if request.path == b"/refused":
        extra = {"X-Reason": "closed today"}
        response = picows.WSUpgradeResponse.create_error_response(403, REFUSED.encode(), extra)
        return picows.WSUpgradeResponseWithListener(response, None)
    extra = [("Set-Cookie", cookie) for cookie in COOKIES]
    offered = [
        name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    ]
    agreed = [name for name in offered if name in SUBPROTOCOLS]
    if agreed:
        extra.append(("Sec-WebSocket-Protocol", agreed[0]))
    response = picows.WSUpgradeResponse.create_101_response(extra)
    return picows.WSUpgradeResponseWithListener(response, _PicowsEcho(request))


@asynccontextmanager
async def picows_echo(host: str = "127.0.0.1") -> AsyncIterator[str]:
    """The server of `picows`: fast, lenient, no compression."""
    server = await picows.ws_create_server(
        _picows_factory, host, 0, websocket_handshake_timeout=PATIENCE
    )
    try:
        yield f"{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


# -- npm ws -------------------------------------------------------------------------------------

NODE_SERVER = """
const http = require('http'), { WebSocketServer } = require('ws');
const { names, cookies, refused } = JSON.parse(process.argv[2]);
const server = http.createServer();
const wss = new WebSocketServer({
  noServer: true, perMessageDeflate: true, maxPayload: 0,
  handleProtocols: (offered) => [...offered].find((name) => names.includes(name)) || false,
});
wss.on('headers', (lines) => cookies.forEach((cookie) => lines.push('Set-Cookie: ' + cookie)));
server.on('upgrade', (request, socket, head) => {
  if (request.url === '/refused') {
    const length = Buffer.byteLength(refused);
    socket.end('HTTP/1.1 403 Forbidden\\r\\nX-Reason: closed today\\r\\n' +
               `Content-Length: ${length}\\r\\nConnection: close\\r\\n\\r\\n${refused}`);
    return;
  }
  wss.handleUpgrade(request, socket, head, (ws) => {
    ws.on('error', () => {});
    ws.on('message', (data, binary) => {
      const words = binary || data.length > 199 ? [] : data.toString().split(' ');
      if (words[0] === 'close') ws.close(+words[1], words.slice(2).join(' '));
      else if (words[0] === 'head') {
        const raw = request.rawHeaders, headers = [];
        for (let i = 0; i < raw.length; i += 2) headers.push([raw[i], raw[i + 1]]);
        ws.send(JSON.stringify({ target: request.url, headers }));
      } else ws.send(data, { binary });
    });
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
"""


@contextmanager
def node_echo(modules: Path) -> Iterator[str]:
    """The server of npm's `ws`, with permessage-deflate."""
    facts = json.dumps({"names": SUBPROTOCOLS, "cookies": COOKIES, "refused": REFUSED})
    process = subprocess.Popen(
        ["node", "-e", NODE_SERVER, "script", facts],
        cwd=modules,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.communicate(timeout=PATIENCE)


# -- all ----------------------------------------------------------------------------------------

ASYNCIO_SERVERS: dict[str, Callable[[], Any]] = {
    "websockets": websockets_echo,
    "aiohttp": aiohttp_echo,
    "uvicorn": uvicorn_echo,
    "uvicorn-wsproto": lambda: uvicorn_echo(implementation="wsproto"),
    "picows": picows_echo,
}


@contextmanager
def serving(loop: LoopThread, server: Any) -> Iterator[str]:
    """Run an asyncio server's context manager on the loop; its address."""
    address = loop.run(server.__aenter__())
    try:
        yield address
    finally:
        loop.run(server.__aexit__(None, None, None))
