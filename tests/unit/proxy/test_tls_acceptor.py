"""Connections before their TLS is up: real sockets and a real loop, and nothing behind them."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from support.waiting import PATIENCE

from fastws.config.model import Timeouts
from fastws.protocol.proxy_header import ProxyHeader
from fastws.proxy.tls_acceptor import TlsAcceptor
from fastws.proxy.turns import Turns
from fastws.proxy.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from support.certificates import Certificates

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n"


class Downstream(asyncio.Protocol):
    """Notes what it hears."""

    door = "wss://test"

    def __init__(self, events: asyncio.Queue[Any], *, announced: bool) -> None:
        self.announced = ProxyHeader() if announced else None
        self._events = events
        self._plain = False

    def lacks_tls(self) -> None:
        self._plain = True

    @property
    def awaited(self) -> ProxyHeader | None:
        return self.announced if self.announced and not self.announced.complete else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._plain:
            self._events.put_nowait("plain")
        else:
            assert transport.get_extra_info("ssl_object").version()
            self._events.put_nowait("made")

    def data_received(self, data: bytes) -> None:
        self._events.put_nowait(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._events.put_nowait("lost")


class Stage:
    """What connections share, an acceptor, and what it came to."""

    def __init__(self, tls: ssl.SSLContext, *, announced: bool, head: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.watchdog = Watchdog(self.loop)
        self.handshakes: Any = Turns(self.loop, 4)
        self.access_log = self
        self.idle: set[Any] = set()
        self.somebody_came = asyncio.Event()
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.address = self.sock.getsockname()
        self.acceptor = TlsAcceptor(
            self,  # type: ignore[arg-type]
            self.sock,
            lambda: Downstream(self.events, announced=announced),  # type: ignore[arg-type, return-value]
            tls,
            Timeouts(head=head),
        )

    def rests(self, connection: Any) -> None:
        self.idle.add(connection)
        self.somebody_came.set()

    def works(self, connection: Any) -> None:
        self.idle.discard(connection)

    def tls_failed(self, **fields: Any) -> None:
        self.events.put_nowait({"event": "tls_failed", **fields})

    def refused(self, **fields: Any) -> None:
        self.events.put_nowait({"event": "refused", **fields})

    async def heard(self, count: int = 1) -> list[Any]:
        """The next events."""
        return [await self.events.get() for _ in range(count)]

    async def failed(self) -> str:
        """Why the only connection failed: nobody heard of it but that it is over."""
        failed, lost = await self.heard(2)
        assert (failed["event"], lost) == ("tls_failed", "lost")
        assert failed["door"] == "wss://test"
        assert failed["client"].startswith("127.0.0.1:")
        assert not self.idle
        return failed["reason"]

    async def ended(self, sock: socket.socket) -> None:
        """Wait until we ended the client's connection."""
        with suppress(ConnectionResetError):
            while await self.loop.sock_recv(sock, 1 << 16):
                pass

    @asynccontextmanager
    async def client(self, data: bytes = b"") -> AsyncIterator[socket.socket]:
        """Somebody who connects, and sends what is not TLS, or not all of it."""
        with socket.socket() as sock:
            sock.setblocking(False)
            await self.loop.sock_connect(sock, self.address)
            await self.loop.sock_sendall(sock, data)
            yield sock


@pytest.fixture
def play(certificates: Certificates) -> Callable[..., None]:
    """Play a scene on a stage."""

    def run(
        scene: Callable[[Stage], Coroutine[Any, Any, None]],
        *,
        announced: bool = False,
        head: float = PATIENCE,
    ) -> None:
        async def whole() -> None:
            stage = Stage(certificates.server(), announced=announced, head=head)
            try:
                async with asyncio.timeout(PATIENCE):
                    await scene(stage)
            finally:
                stage.acceptor.close()
                for each in list(stage.idle):
                    each.dismiss()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole())
        gc.collect()  # closes what was under way; other tests count descriptors

    return run


def hello(certificates: Certificates) -> bytes:
    """What a client of TLS sends first."""
    out = ssl.MemoryBIO()
    client = certificates.client().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


@pytest.mark.parametrize("before", [b"", V1], ids=["at once", "behind a PROXY header"])
def test_a_connection_is_handed_on_when_its_tls_is_up(
    play: Callable[..., None], certificates: Certificates, before: bytes
) -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client(before) as sock:
            _, writer = await asyncio.open_connection(
                sock=sock, ssl=certificates.client(), server_hostname="localhost"
            )
            writer.write(b"hello")
            assert await stage.heard(2) == ["made", b"hello"]
            assert not stage.idle
            writer.close()
            assert await stage.heard() == ["lost"]

    play(scene, announced=bool(before))


@pytest.mark.parametrize("before", [b"", V1], ids=["at once", "behind a PROXY header"])
@pytest.mark.parametrize("size", [1, 5, 18])
def test_plain_http_is_handed_on_as_such(
    play: Callable[..., None], before: bytes, size: int
) -> None:
    data = b"GET / HTTP/1.1\r\n\r\n"

    async def scene(stage: Stage) -> None:
        async with stage.client(before + data[:size]) as sock:
            await stage.somebody_came.wait()
            await stage.loop.sock_sendall(sock, data[size:])
            assert await stage.heard() == ["plain"]
            got = b""
            while len(got) < len(data):
                (more,) = await stage.heard()
                got += more
            assert got == data
            assert not stage.idle
        assert await stage.heard() == ["lost"]

    play(scene, announced=bool(before))


@pytest.mark.parametrize("size", [1, 4, 5, 6, 100])
def test_nothing_begins_before_the_hello_is_whole(
    play: Callable[..., None], certificates: Certificates, size: int
) -> None:
    data = hello(certificates)

    async def scene(stage: Stage) -> None:
        begun: asyncio.Queue[Any] = asyncio.Queue()
        stage.handshakes = SimpleNamespace(add=begun.put_nowait)
        async with stage.client(data[:size]) as slow, stage.client(data):
            await begun.get()  # the second, whose bytes came later
            assert begun.empty()
            await stage.loop.sock_sendall(slow, data[size:])
            await begun.get()

    play(scene)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x16\x03\x01\x00\x05hello", "TLS failed: "),
        (b"\x16\x03\x01\xff\xffhello", ""),
        (b"hello, who are you\r\n", "TLS failed: "),
    ],
)
def test_nonsense_ends_with_its_reason(play: Callable[..., None], data: bytes, reason: str) -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client(data) as sock:
            sock.shutdown(socket.SHUT_WR)
            assert (await stage.failed()).startswith(reason)

    play(scene)


def test_a_client_that_does_not_trust_us_is_told_of(play: Callable[..., None]) -> None:
    to, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(to, out, server_hostname="localhost")

    async def scene(stage: Stage) -> None:
        async with stage.client() as sock:
            while True:
                try:
                    client.do_handshake()
                except ssl.SSLWantReadError:
                    await stage.loop.sock_sendall(sock, out.read())
                    to.write(await stage.loop.sock_recv(sock, 1 << 16))
                except ssl.SSLCertVerificationError:
                    await stage.loop.sock_sendall(sock, out.read())
                    break
            assert "unknown ca" in await stage.failed()

    play(scene)


@pytest.mark.parametrize("size", [0, 1, 5, 50])
def test_a_connection_that_ends_early_leaves_nothing(
    play: Callable[..., None], certificates: Certificates, size: int
) -> None:
    data = hello(certificates)[:size]

    async def scene(stage: Stage) -> None:
        async with stage.client(data):
            pass
        assert await stage.failed() == "The connection broke: it ended."

    play(scene)


@pytest.mark.parametrize("announced", [False, True])
@pytest.mark.parametrize("size", [0, 3, 20])
def test_a_reset_leaves_nothing(
    play: Callable[..., None],
    certificates: Certificates,
    size: int,
    announced: bool,  # noqa: FBT001
) -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client((V1 if announced else hello(certificates))[:size]) as sock:
            await stage.somebody_came.wait()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        failed, lost = await stage.heard(2)
        assert failed["reason"].startswith("The connection broke: Connection reset")
        assert lost == "lost"
        assert not stage.idle

    play(scene, announced=announced)


@pytest.mark.parametrize("size", [0, 5, 50, None])
def test_one_that_takes_too_long_is_given_up(
    play: Callable[..., None], certificates: Certificates, size: int | None
) -> None:
    data = hello(certificates)[:size]

    async def scene(stage: Stage) -> None:
        async with stage.client(data) as sock:
            assert await stage.failed() == "TLS was not agreed on within 0.1 s."
            await stage.ended(sock)

    play(scene, head=0.1)


@pytest.mark.parametrize("size", [0, 50, None])
def test_one_can_be_dismissed_at_any_time(
    play: Callable[..., None], certificates: Certificates, size: int | None
) -> None:
    data = hello(certificates)[:size]

    async def scene(stage: Stage) -> None:
        async with stage.client(data) as sock:
            if size is None:
                assert await stage.loop.sock_recv(sock, 1)  # of the answer to the hello
            await stage.somebody_came.wait()
            (newcomer,) = stage.idle
            newcomer.hurry()
            newcomer.dismiss()
            assert await stage.heard() == ["lost"]
            await stage.ended(sock)
        assert stage.events.empty()

    play(scene)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello", "PROXY header"),
        (V1[:10], "The connection ended before its PROXY header was whole."),
    ],
)
def test_a_bad_proxy_header_is_a_refusal(
    play: Callable[..., None], data: bytes, reason: str
) -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client(data) as sock:
            sock.shutdown(socket.SHUT_WR)
            refused, lost = await stage.heard(2)
        assert (refused["event"], lost) == ("refused", "lost")
        assert reason in refused["reason"]

    play(scene, announced=True)
