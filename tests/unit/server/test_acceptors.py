"""Doors of a worker on real sockets and a real loop, by each driver; clients are plain sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from support.waiting import PATIENCE

from fastws._board import Board
from fastws.config.build import build
from fastws.errors import FastwsError
from fastws.observe.files import LogFiles
from fastws.observe.log import Log
from fastws.proxy.context import Context
from fastws.proxy.settings import Settings
from fastws.server.acceptors import Acceptors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from support.certificates import Certificates

PAGE = b"a page"
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Stage:
    """A worker's connections, and sockets bound to free ports."""

    def __init__(self, driver: str, listener: dict[str, Any], opened: ExitStack) -> None:
        raw: dict[str, Any] = {
            "driver": driver,
            "listeners": [listener],
            "upstreams": [{"name": "u", "servers": ["127.0.0.1:1"]}],
            "routes": [{"upstream": "u"}],
        }
        self.config = build(raw, "f")
        self.context = Context(
            Settings(self.config, page=PAGE),
            asyncio.get_running_loop(),
            LogFiles(Log(2)),
            Board(1, 1, 0).worker(0),
            most_connections=100,
        )
        self._opened = opened
        self._clients: list[socket.socket] = []

    def bound(self) -> socket.socket:
        """A socket at which nobody listens yet."""
        sock = self._opened.enter_context(socket.socket())
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        return sock

    def acceptors(self, *sockets: socket.socket) -> Acceptors:
        return Acceptors(self.context, self.config, [(0, sock) for sock in sockets])

    def client(self, sock: socket.socket) -> socket.socket:
        """One that has connected, whether it is accepted or not."""
        client = socket.create_connection(sock.getsockname(), PATIENCE)
        client.setblocking(False)
        self._clients.append(client)
        return self._opened.enter_context(client)

    async def over(self) -> None:
        """Let all clients go, and wait until their connections are gone."""
        for client in self._clients:
            client.close()
        self.context.drain()
        if self.context.counts.connections:
            await self.context.none_left.wait()


async def answer(client: socket.socket) -> bytes:
    """What a client gets who asks for a page."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, GET)
    return await everything(client)


async def everything(client: socket.socket) -> bytes:
    got = b""
    while data := await asyncio.get_running_loop().sock_recv(client, 1 << 16):
        got += data
    return got


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def play(driver: str, opened: ExitStack) -> Callable[..., None]:
    """Run a scene on a loop."""

    def run(scene: Callable[[Stage], Coroutine[Any, Any, None]], **listener: Any) -> None:
        async def whole() -> None:
            async with asyncio.timeout(PATIENCE):
                stage = Stage(driver, {"address": "127.0.0.1:80", **listener}, opened)
                await scene(stage)
                await stage.over()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole())

    return run


def test_who_comes_is_answered_at_each_door(play: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        sockets = [stage.bound(), stage.bound()]
        acceptors = stage.acceptors(*sockets)
        await acceptors.start()
        for sock in sockets:
            assert (await answer(stage.client(sock))).endswith(PAGE)
        acceptors.close()

    play(scene)


def test_nobody_is_accepted_before_the_start(play: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        sock = stage.bound()
        acceptors = stage.acceptors(sock)
        with pytest.raises(ConnectionRefusedError):
            stage.client(sock)
        acceptors.close()
        assert sock.fileno() == -1

    play(scene)


def test_who_waits_already_is_served_at_the_end_and_nobody_after(
    play: Callable[..., None],
) -> None:
    async def scene(stage: Stage) -> None:
        sock = stage.bound()
        address = sock.getsockname()
        acceptors = stage.acceptors(sock)
        await acceptors.start()
        waiting = [stage.client(sock) for _ in range(5)]  # the loop has had no turn since
        await acceptors.finish()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, PATIENCE)
        for client in waiting:
            assert (await answer(client)).endswith(PAGE)

    play(scene)


def test_where_tls_is_spoken_it_comes_first(
    play: Callable[..., None], certificates: Certificates
) -> None:
    async def scene(stage: Stage) -> None:
        sock = stage.bound()
        acceptors = stage.acceptors(sock)
        await acceptors.start()
        reader, writer = await asyncio.open_connection(
            sock=stage.client(sock), ssl=certificates.client(), server_hostname="localhost"
        )
        writer.write(GET)
        assert (await reader.read()).endswith(PAGE)
        writer.close()
        acceptors.close()

    files = {"tls_cert": str(certificates.certificate), "tls_key": str(certificates.key)}
    play(scene, address="wss://127.0.0.1:80", **files)


def test_a_certificate_that_cannot_be_used_is_said_at_once(
    play: Callable[..., None], certificates: Certificates
) -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(FastwsError, match="cannot use"):
            stage.acceptors(stage.bound())

    files = {"tls_cert": str(certificates.certificate), "tls_key": "/nowhere"}
    play(scene, address="wss://127.0.0.1:80", **files)


def test_a_proxy_says_who_comes(play: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        sock = stage.bound()
        acceptors = stage.acceptors(sock)
        await acceptors.start()
        client = stage.client(sock)
        header = b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n"
        await asyncio.get_running_loop().sock_sendall(client, header)
        assert (await answer(client)).endswith(PAGE)
        # Who says nothing is no client of ours.
        assert await answer(stage.client(sock)) == b""
        acceptors.close()

    play(scene, proxy_protocol=True)


def test_what_the_system_forbids_is_said(play: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            acceptors = stage.acceptors(ours)
            with pytest.raises(FastwsError, match="cannot accept connections: "):
                await acceptors.start()
            acceptors.close()

    play(scene)
