"""Real WebSocket clients behind one blocking interface, so that a test can be run with each."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import struct
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import aiohttp
import picows
import websocket
from support.frames import close_payload
from support.waiting import PATIENCE
from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as websockets_sync_connect

if TYPE_CHECKING:
    from pathlib import Path

    from support.loops import LoopThread

Message = str | bytes


class Refused(Exception):  # noqa: N818
    """The answer was no 101. A client that cannot tell the body leaves it None."""

    def __init__(self, status: int, body: bytes | None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


@dataclass
class Ask:
    """What a client is to ask for."""

    url: str
    subprotocols: list[str] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    authority: Path | None = None

    @property
    def tls(self) -> ssl.SSLContext | None:
        if not self.url.startswith("wss:"):
            return None
        return ssl.create_default_context(cafile=self.authority)


class Client:
    """A connection. What a library cannot do or tell is left out, and said so in `can`."""

    can: ClassVar[set[str]] = {"fragment", "ping", "compress", "headers"}

    subprotocol: str | None = None
    extensions: str = ""
    cookies: ClassVar[list[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def send(self, message: Message) -> None:
        raise NotImplementedError

    def send_fragments(self, fragments: list[Message]) -> None:
        raise NotImplementedError

    def receive(self) -> Message:
        raise NotImplementedError

    def ping(self, payload: bytes) -> None:
        """Send a ping and wait for its pong."""
        raise NotImplementedError

    def close(self, code: int, reason: str) -> None:
        """A whole closing handshake."""
        raise NotImplementedError

    def closed(self) -> tuple[int, str]:
        """Wait for the other side's close: its code and reason."""
        raise NotImplementedError

    def leave(self) -> None:
        """Free whatever is left."""


# -- websockets ---------------------------------------------------------------------------------


class Websockets(Client):
    """`websockets` under asyncio."""

    def __init__(self, ask: Ask, loop: LoopThread) -> None:
        self.loop = loop
        try:
            self.connection = loop.run(self._connect(ask))
        except InvalidStatus as refusal:
            response = refusal.response
            raise Refused(response.status_code, response.body) from None
        response = self.connection.response
        self.subprotocol = self.connection.subprotocol
        self.extensions = response.headers.get("Sec-WebSocket-Extensions", "")
        self.cookies = response.headers.get_all("Set-Cookie")

    async def _connect(self, ask: Ask) -> Any:
        return await websockets_connect(ask.url, **_websockets_options(ask))

    def send(self, message: Message) -> None:
        self.loop.run(self.connection.send(message))

    def send_fragments(self, fragments: list[Message]) -> None:
        self.loop.run(self.connection.send(fragments))

    def receive(self) -> Message:
        return self.loop.run(self.connection.recv())

    def ping(self, payload: bytes) -> None:
        async def round_trip() -> None:
            await (await self.connection.ping(payload))

        self.loop.run(round_trip())

    def close(self, code: int, reason: str) -> None:
        self.loop.run(self.connection.close(code, reason))

    def closed(self) -> tuple[int, str]:
        self.loop.run(self.connection.wait_closed())
        return self.connection.close_code, self.connection.close_reason

    def leave(self) -> None:
        self.loop.run(self.connection.close())


def _websockets_options(ask: Ask) -> dict[str, Any]:
    return {
        "subprotocols": ask.subprotocols or None,
        "additional_headers": ask.headers,
        "ssl": ask.tls,
        "max_size": None,
        "ping_interval": None,
        "open_timeout": PATIENCE,
        "close_timeout": PATIENCE,
        "proxy": None,
    }


class WebsocketsSync(Client):
    """`websockets` with threads."""

    def __init__(self, ask: Ask, _loop: LoopThread) -> None:
        self.stack = ExitStack()
        try:
            opening = websockets_sync_connect(ask.url, **_websockets_options(ask))
            self.connection = self.stack.enter_context(opening)
        except InvalidStatus as refusal:
            response = refusal.response
            raise Refused(response.status_code, response.body) from None
        response = self.connection.response
        self.subprotocol = self.connection.subprotocol
        self.extensions = response.headers.get("Sec-WebSocket-Extensions", "")
        self.cookies = response.headers.get_all("Set-Cookie")

    def send(self, message: Message) -> None:
        self.connection.send(message)

    def send_fragments(self, fragments: list[Message]) -> None:
        self.connection.send(iter(fragments))

    def receive(self) -> Message:
        return self.connection.recv(PATIENCE)

    def ping(self, payload: bytes) -> None:
        assert self.connection.ping(payload).wait(PATIENCE)

    def close(self, code: int, reason: str) -> None:
        self.connection.close(code, reason)

    def closed(self) -> tuple[int, str]:
        try:
            late = self.connection.recv(PATIENCE)
        except ConnectionClosed:
            return self.connection.close_code, self.connection.close_reason
        raise AssertionError(f"expected a close, got {late!r}")

    def leave(self) -> None:
        self.stack.close()


# -- aiohttp ------------------------------------------------------------------------------------


class Aiohttp(Client):
    """`aiohttp`; it sends no fragments and shows no body of a refusal."""

    can: ClassVar = {"ping", "compress", "headers"}

    def __init__(self, ask: Ask, loop: LoopThread) -> None:
        self.loop = loop
        try:
            loop.run(self._connect(ask))
        except aiohttp.WSServerHandshakeError as refusal:
            raise Refused(refusal.status, None) from None

    async def _connect(self, ask: Ask) -> None:
        self.session = aiohttp.ClientSession()
        try:
            self.connection = await self.session.ws_connect(
                ask.url,
                protocols=ask.subprotocols,
                headers=ask.headers,
                ssl=ask.tls or True,
                compress=15,
                max_msg_size=0,
                autoping=False,
            )
        except BaseException:
            await self.session.close()
            raise
        headers = self.connection._response.headers
        self.subprotocol = self.connection.protocol
        self.extensions = headers.get("Sec-WebSocket-Extensions", "")
        self.cookies = headers.getall("Set-Cookie", [])

    def send(self, message: Message) -> None:
        way = self.connection.send_str if isinstance(message, str) else self.connection.send_bytes
        self.loop.run(way(message))

    def receive(self) -> Message:
        return self.loop.run(self._receive(aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)).data

    def ping(self, payload: bytes) -> None:
        self.loop.run(self.connection.ping(payload))
        pong = self.loop.run(self._receive(aiohttp.WSMsgType.PONG))
        assert bytes(pong.data) == payload

    def close(self, code: int, reason: str) -> None:
        self.loop.run(self.connection.close(code=code, message=reason.encode()))

    def closed(self) -> tuple[int, str]:
        message = self.loop.run(self._receive(aiohttp.WSMsgType.CLOSE))
        return message.data, message.extra

    def leave(self) -> None:
        async def leave() -> None:
            await self.connection.close()
            await self.session.close()

        self.loop.run(leave())

    async def _receive(self, *kinds: aiohttp.WSMsgType) -> aiohttp.WSMessage:
        message = await self.connection.receive()
        assert message.type in kinds, message
        return message


# -- picows -------------------------------------------------------------------------------------


class _Queue(picows.WSListener):
    """Puts what comes into a queue, messages put together."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[Any, bytes]] = asyncio.Queue()
        self.parts: list[bytes] = []
        self.kind: Any = None

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        kind, payload = frame.msg_type, frame.get_payload_as_bytes()
        if kind == picows.WSMsgType.CLOSE:
            transport.send(kind, payload)
            transport.disconnect()
        if kind in {picows.WSMsgType.CLOSE, picows.WSMsgType.PONG}:
            self.events.put_nowait((kind, payload))
            return
        if kind != picows.WSMsgType.CONTINUATION:
            self.kind = kind
        self.parts.append(payload)
        if frame.fin:
            self.events.put_nowait((self.kind, b"".join(self.parts)))
            self.parts.clear()

    def on_ws_disconnected(self, _transport: Any) -> None:
        self.events.put_nowait((None, b""))


class Picows(Client):
    """`picows`; it does not compress, and leaves the body of a refusal in its framing."""

    can: ClassVar = {"fragment", "ping", "headers"}

    def __init__(self, ask: Ask, loop: LoopThread) -> None:
        self.loop = loop
        headers = list(ask.headers)
        if ask.subprotocols:
            headers.append(("Sec-WebSocket-Protocol", ", ".join(ask.subprotocols)))
        try:
            self.transport, self.queue = loop.run(
                picows.ws_connect(
                    _Queue,
                    ask.url,
                    ssl_context=ask.tls,
                    extra_headers=headers,
                    max_redirects=0,
                    websocket_handshake_timeout=PATIENCE,
                    max_frame_size=1 << 28,
                )
            )
        except picows.WSInvalidStatusError as refusal:
            raise Refused(refusal.response.status, None) from None
        response = self.transport.response
        self.subprotocol = response.headers.get("Sec-WebSocket-Protocol")
        self.extensions = response.headers.get("Sec-WebSocket-Extensions", "")
        self.cookies = response.headers.getall("Set-Cookie", [])

    def send(self, message: Message) -> None:
        self.send_fragments([message])

    def send_fragments(self, fragments: list[Message]) -> None:
        kinds = picows.WSMsgType
        kind = kinds.TEXT if isinstance(fragments[0], str) else kinds.BINARY

        async def send() -> None:
            for number, part in enumerate(fragments):
                payload = part.encode() if isinstance(part, str) else part
                last = number == len(fragments) - 1
                self.transport.send(kinds.CONTINUATION if number else kind, payload, fin=last)

        self.loop.run(send())

    def receive(self) -> Message:
        kind, payload = self.loop.run(self.queue.events.get())
        assert kind in {picows.WSMsgType.TEXT, picows.WSMsgType.BINARY}, kind
        return payload.decode() if kind == picows.WSMsgType.TEXT else payload

    def ping(self, payload: bytes) -> None:
        async def send() -> None:
            self.transport.send_ping(payload)

        self.loop.run(send())
        assert self.loop.run(self.queue.events.get()) == (picows.WSMsgType.PONG, payload)

    def close(self, code: int, reason: str) -> None:
        async def send() -> None:
            self.transport.send(picows.WSMsgType.CLOSE, close_payload(code, reason))

        self.loop.run(send())
        self.closed()  # the reply, with whatever code the server chose

    def closed(self) -> tuple[int, str]:
        kind, payload = self.loop.run(self.queue.events.get())
        assert kind == picows.WSMsgType.CLOSE, kind
        return struct.unpack("!H", payload[:2])[0], payload[2:].decode()

    def leave(self) -> None:
        async def leave() -> None:
            self.transport.disconnect(graceful=False)
            await self.transport.wait_disconnected()

        self.loop.run(leave())


# -- websocket-client ---------------------------------------------------------------------------


class WebsocketClient(Client):
    """`websocket-client`; it does not compress and folds repeated headers into one."""

    can: ClassVar = {"fragment", "ping"}

    def __init__(self, ask: Ask, _loop: LoopThread) -> None:
        try:
            self.connection = websocket.create_connection(
                ask.url,
                timeout=PATIENCE,
                subprotocols=ask.subprotocols or None,
                header=[f"{name}: {value}" for name, value in ask.headers],
                suppress_origin=True,
                sslopt={"ca_certs": str(ask.authority)} if ask.authority else None,
            )
        except websocket.WebSocketBadStatusException as refusal:
            raise Refused(refusal.status_code, refusal.resp_body) from None
        self.subprotocol = self.connection.subprotocol

    def send(self, message: Message) -> None:
        way = self.connection.send if isinstance(message, str) else self.connection.send_binary
        way(message)

    def send_fragments(self, fragments: list[Message]) -> None:
        kinds = websocket.ABNF
        kind = kinds.OPCODE_TEXT if isinstance(fragments[0], str) else kinds.OPCODE_BINARY
        for number, part in enumerate(fragments):
            last = number == len(fragments) - 1
            opcode = kinds.OPCODE_CONT if number else kind
            payload = part.encode() if isinstance(part, str) else part
            self.connection.send_frame(kinds.create_frame(payload, opcode, int(last)))

    def receive(self) -> Message:
        opcode, data = self.connection.recv_data()
        assert opcode in {websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY}, opcode
        return data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else data

    def ping(self, payload: bytes) -> None:
        self.connection.ping(payload)
        found = self.connection.recv_data(control_frame=True)
        assert found == (websocket.ABNF.OPCODE_PONG, payload)

    def close(self, code: int, reason: str) -> None:
        self.connection.close(code, reason.encode(), timeout=PATIENCE)

    def closed(self) -> tuple[int, str]:
        opcode, data = self.connection.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE, opcode
        return struct.unpack("!H", data[:2])[0], data[2:].decode()

    def leave(self) -> None:
        self.connection.shutdown()


# -- npm ws -------------------------------------------------------------------------------------

NODE_CLIENT = """
const WebSocket = require('ws'), readline = require('readline');
const { url, subprotocols, headers, authority } = JSON.parse(process.argv[2]);
const say = (event) => console.log(JSON.stringify(event));
const ca = authority && require('fs').readFileSync(authority);
const options = { headers: {}, maxPayload: 0, ca };
for (const [name, value] of headers) {
  const known = options.headers[name];
  options.headers[name] = known === undefined ? value : [].concat(known, value);
}
const ws = new WebSocket(url, subprotocols, options);
let cookies = [];
ws.on('upgrade', (response) => { cookies = response.headers['set-cookie'] || []; });
ws.on('unexpected-response', (request, response) => {
  const parts = [];
  response.on('data', (part) => parts.push(part)).on('end', () => {
    say({ refused: response.statusCode, body: Buffer.concat(parts).toString('base64') });
    process.exit(0);
  });
});
ws.on('open', () => say({ open: ws.protocol, extensions: ws.extensions, cookies }));
ws.on('message', (data, binary) => say({ data: data.toString('base64'), binary }));
ws.on('pong', (data) => say({ pong: data.toString('base64') }));
ws.on('close', (code, reason) => say({ closed: code, reason: reason.toString() }));
ws.on('error', (error) => { console.error(error); });
const lines = readline.createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
lines.on('line', (line) => {
  const { send, binary, fin, ping, close, reason } = JSON.parse(line);
  if (send !== undefined) ws.send(Buffer.from(send, 'base64'), { binary, fin });
  else if (ping !== undefined) ws.ping(Buffer.from(ping, 'base64'));
  else ws.close(close, reason);
});
"""


class Node(Client):
    """npm's `ws` in a process of its own."""

    def __init__(self, ask: Ask, modules: Path) -> None:
        facts = {
            "url": ask.url,
            "subprotocols": ask.subprotocols,
            "headers": ask.headers,
            "authority": str(ask.authority) if ask.authority else None,
        }
        self.process = subprocess.Popen(
            ["node", "-e", NODE_CLIENT, "script", json.dumps(facts)],
            cwd=modules,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            event = self._event("open", "refused")
        except BaseException:
            self.leave()
            raise
        if "refused" in event:
            self.leave()
            raise Refused(event["refused"], _plain(event["body"]))
        self.subprotocol = event["open"] or None
        self.extensions = event["extensions"]
        self.cookies = event["cookies"]

    def send(self, message: Message) -> None:
        self.send_fragments([message])

    def send_fragments(self, fragments: list[Message]) -> None:
        for number, part in enumerate(fragments):
            last = number == len(fragments) - 1
            self._tell(send=_base64(part), binary=isinstance(part, bytes), fin=last)

    def receive(self) -> Message:
        event = self._event("data")
        data = _plain(event["data"])
        return data if event["binary"] else data.decode()

    def ping(self, payload: bytes) -> None:
        self._tell(ping=_base64(payload))
        assert _plain(self._event("pong")["pong"]) == payload

    def close(self, code: int, reason: str) -> None:
        self._tell(close=code, reason=reason)
        self._event("closed")

    def closed(self) -> tuple[int, str]:
        event = self._event("closed")
        return event["closed"], event["reason"]

    def leave(self) -> None:
        self.process.communicate(timeout=PATIENCE)

    def _tell(self, **order: object) -> None:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def _event(self, *names: str) -> dict[str, Any]:
        line = self.process.stdout.readline()
        assert line, "the client ended"
        event = json.loads(line)
        assert set(names) & set(event), event
        return event


def _base64(data: Message) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def _plain(data: str) -> bytes:
    return base64.b64decode(data)


CLIENTS: dict[str, type[Any]] = {
    "websockets": Websockets,
    "websockets-sync": WebsocketsSync,
    "aiohttp": Aiohttp,
    "picows": Picows,
    "websocket-client": WebsocketClient,
    "node-ws": Node,
}
