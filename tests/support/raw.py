"""Scripted peers on raw sockets: every byte, pause, stall and reset is the test's own.

A test with them is one thread and reads as a transcript: connect, send, read what came out at
the other side. Every wait is bounded by `PATIENCE`.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import select
import socket
import struct
import termios
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from support import frames
from support.frames import KEY, Frame
from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from support.proxy import Proxy

NONCE = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(nonce: str) -> str:
    """What RFC 6455 section 4.2.2 makes of a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(f"{nonce}{GUID}".encode()).digest()).decode()


def request(
    target: str = "/chat",
    *more: str,
    host: str = "example.com:8080",
    without: Iterable[str] = (),
) -> bytes:
    """A valid upgrade request, with header lines added, or left out by name."""
    lines = [
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {NONCE}",
        "Sec-WebSocket-Version: 13",
    ]
    left_out = {name.lower() for name in without}
    kept = [line for line in lines if line.split(":")[0].lower() not in left_out]
    return "\r\n".join([f"GET {target} HTTP/1.1", *kept, *more, "", ""]).encode("latin-1")


def switching(*more: str, nonce: str = NONCE, without: Iterable[str] = ()) -> bytes:
    """A valid 101, with header lines added, or left out by name."""
    lines = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(nonce)}",
    ]
    left_out = {name.lower() for name in without}
    kept = [line for line in lines if line.split(":")[0].lower() not in left_out]
    head = ["HTTP/1.1 101 Switching Protocols", *kept, *more, "", ""]
    return "\r\n".join(head).encode("latin-1")


class Head:
    """An HTTP head as it came: the start line, and the headers in order with repeats."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.start, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        self.headers = [
            (name, value.strip()) for name, _, value in (x.partition(":") for x in lines)
        ]
        self.trailers: list[tuple[str, str]] = []

    def all(self, name: str) -> list[str]:
        """Every value under the name, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __getitem__(self, name: str) -> str:
        values = self.all(name)
        assert len(values) == 1, f"{name} occurs {len(values)} times in {self.raw!r}"
        return values[0]

    @property
    def status(self) -> int:
        return int(self.start.split()[1])

    @property
    def target(self) -> str:
        return self.start.split()[1]


class Wire:
    """One end of a connection. A wire with a key masks its frames, as a client does."""

    def __init__(self, sock: socket.socket, key: bytes | None = None) -> None:
        self.sock = sock
        self.key = key
        self.unread = b""
        sock.settimeout(PATIENCE)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The local port: how the other side's log calls this connection."""
        return self.sock.getsockname()[1]

    # -- out --------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send byte by byte, each in a segment of its own."""
        for i in range(len(data)):
            self.sock.sendall(data[i : i + 1])
            time.sleep(0.0005)

    def frame(self, opcode: int, payload: bytes = b"", **form: object) -> bytes:
        """A frame as this side has to send it."""
        return frames.frame(opcode, payload, **{"key": self.key, **form})

    def header(self, opcode: int, length: int, **form: object) -> bytes:
        return frames.header(opcode, length, **{"key": self.key, **form})

    def send_frame(self, opcode: int, payload: bytes = b"", **form: object) -> None:
        self.send(self.frame(opcode, payload, **form))

    def send_text(self, text: str) -> None:
        self.send_frame(frames.TEXT, text.encode())

    def send_close(self, code: int | None = None, reason: str = "") -> None:
        payload = b"" if code is None else frames.close_payload(code, reason)
        self.send_frame(frames.CLOSE, payload)

    def flood(self, data: bytes, *, quiet: float = 1.0, limit: int = 1 << 40) -> int:
        """Send until nothing was taken for `quiet` seconds; how many bytes went out.

        `data` is repeated, and what was sent of it may end anywhere.
        """
        self.sock.setblocking(False)
        sent = 0
        view = memoryview(data)
        try:
            while sent < limit and select.select([], [self.sock], [], quiet)[1]:
                with suppress(BlockingIOError):
                    while sent < limit:
                        sent += self.sock.send(view[sent % len(data) :])
        finally:
            self.sock.settimeout(PATIENCE)
        return sent

    # -- in ---------------------------------------------------------------------------------

    def receive(self, size: int = 65536) -> bytes:
        """Whatever comes next, at most `size`; empty at the end of file."""
        if self.unread:
            data, self.unread = self.unread[:size], self.unread[size:]
            return data
        return self.sock.recv(size)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        parts = []
        while size:
            data = self.receive(min(size, 1 << 20))
            assert data, (
                f"the connection ended {size} bytes short, after {b''.join(parts)[-200:]!r}"
            )
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def read_head(self) -> Head:
        """An HTTP head; what came with it stays unread."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.receive()
            assert more, f"the connection ended in a head, after {data!r}"
            data += more
        head, blank, rest = data.partition(b"\r\n\r\n")
        self.unread = rest + self.unread
        return Head(head + blank)

    def read_frame(self) -> Frame:
        """The next whole frame; its masking must be right for its direction."""
        while not (parsed := frames.parse(self.unread)):
            more = self.sock.recv(1 << 18)
            assert more, f"the connection ended inside a frame, after {self.unread[:200]!r}"
            self.unread += more
        found, size = parsed
        self.unread = self.unread[size:]
        assert found.masked == (self.key is None), f"masked the wrong way round: {found}"
        return found

    def read_message(self) -> bytes:
        """The payload of the next frame, which is a whole text or binary message."""
        found = self.read_frame()
        assert found.opcode in {frames.TEXT, frames.BINARY}, f"not a message: {found}"
        assert found.fin, f"not a whole message: {found}"
        return found.payload

    def read_close(self) -> tuple[int | None, str]:
        """The code and reason of the next frame, which is a close."""
        return self.read_frame().close

    def read_all(self) -> bytes:
        """Everything until the end of file; a reset is an error."""
        parts = [self.unread]
        self.unread = b""
        while data := self.sock.recv(1 << 18):
            parts.append(data)
        return b"".join(parts)

    def expect_end(self) -> None:
        """The other side ends the connection, by FIN or RST, and sends nothing before."""
        with suppress(ConnectionResetError):
            rest = self.read_all()
            assert rest == b"", f"expected the end, got {rest[:200]!r}"

    def read_to_end(self) -> list[Frame]:
        """Every frame until the end of the connection, which may not come inside a frame."""
        found = []
        with suppress(ConnectionResetError):
            while True:
                while parsed := frames.parse(self.unread):
                    found.append(parsed[0])
                    self.unread = self.unread[parsed[1] :]
                if not (more := self.sock.recv(1 << 18)):
                    break
                self.unread += more
        assert not self.unread, f"the connection ended inside a frame: {self.unread[:200]!r}"
        return found

    def read_body(self, head: Head) -> bytes:
        """The body that belongs to an HTTP answer, without its framing; trailers go to `head`."""
        if head.all("Transfer-Encoding") == ["chunked"]:
            body = b""
            while size := int(self._read_line().partition(b";")[0], 16):
                body += self.read(size)
                assert self.read(2) == b"\r\n"
            while trailer := self._read_line():
                name, _, value = trailer.decode("latin-1").partition(":")
                head.trailers.append((name, value.strip()))
            return body
        if head.all("Content-Length"):
            return self.read(int(head["Content-Length"]))
        return self.read_all()

    def _read_line(self) -> bytes:
        line = b""
        while not line.endswith(b"\r\n"):
            line += self.read(1)
        return line[:-2]

    def expect_silence(self, seconds: float = 0.2) -> None:
        """Nothing comes, neither bytes nor the end."""
        assert not self.unread, f"expected silence, got {self.unread[:200]!r}"
        if select.select([self.sock], [], [], seconds)[0]:
            raise AssertionError(f"expected silence, got {self.sock.recv(200)!r}")

    # -- ends -------------------------------------------------------------------------------

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def arrive(self) -> None:
        """Wait until everything that was sent has been acknowledged by the other side's kernel."""

        def in_flight() -> int:
            return struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4))[0]

        assert until(lambda: not in_flight()), f"{in_flight()} bytes were never acknowledged"

    def reset(self) -> None:
        """End with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()


class Upstream:
    """A listening socket whose connections the test plays by hand."""

    def __init__(self, address: str = "127.0.0.1:0", *, backlog: int = 128) -> None:
        if address.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(address.removeprefix("unix:"))
            self.address = address
        else:
            host, _, port = address.rpartition(":")
            family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
            self.sock = socket.socket(family)
            self.sock.bind((host.strip("[]"), int(port)))
            self.address = f"{host}:{self.sock.getsockname()[1]}"
        self.sock.listen(backlog)
        self.sock.settimeout(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def accept(self) -> Wire:
        sock, _ = self.sock.accept()
        return Wire(sock)

    def forget(self) -> None:
        """Drop the connections that an earlier test left waiting."""
        while select.select([self.sock], [], [], 0)[0]:
            self.sock.accept()[0].close()

    def expect_nobody(self) -> None:
        """No connection waits to be accepted."""
        if select.select([self.sock], [], [], 0)[0]:
            self.sock.accept()[0].close()
            raise AssertionError("the upstream was dialled")


def connect(address: str | Proxy, *, small: bool = False) -> Wire:
    """A client's connection to a proxy or an address; `small` keeps its receive buffer small."""
    if not isinstance(address, str):
        address = address.address
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        target: str | tuple[str, int] = address.removeprefix("unix:")
    else:
        host, _, port = address.rpartition(":")
        sock = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET)
        target = (host.strip("[]"), int(port))
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    sock.settimeout(PATIENCE)
    try:
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    return Wire(sock, KEY)


def handshake(client: Wire, upstream: Upstream, *more: str, switch: bytes = b"") -> Wire:
    """Upgrade a connected client through the proxy; the upstream's side of the tunnel."""
    client.send(request("/chat", *more))
    server = upstream.accept()
    server.read_head()
    server.send(switch or switching())
    assert client.read_head().status == 101
    return server


@contextmanager
def tunnel(
    proxy: Proxy, upstream: Upstream, *more: str, switch: bytes = b"", small: bool = False
) -> Iterator[tuple[Wire, Wire]]:
    """An open tunnel: the client's wire and the upstream's."""
    with (
        connect(proxy, small=small) as client,
        handshake(client, upstream, *more, switch=switch) as server,
    ):
        yield client, server


def gets_through(proxy: Proxy, upstream: Upstream) -> bool:
    """Whether a handshake reaches the upstream, and is not refused by the proxy itself.

    What was left by clients that are gone may come to the upstream before it.
    """
    with connect(proxy) as client:
        client.send(request("/gets-through"))
        sockets = [client.sock, upstream.sock]
        while upstream.sock in select.select(sockets, [], [], PATIENCE)[0]:
            with suppress(OSError, AssertionError), upstream.accept() as server:
                if server.read_head().target == "/gets-through":
                    return True
    return False


@contextmanager
def meanwhile(
    action: Callable[..., object], *arguments: object, **more: object
) -> Iterator[Future[object]]:
    """Run something in a thread beside the block; its error is the block's error."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(action, *arguments, **more)
        yield future
        future.result(PATIENCE)
