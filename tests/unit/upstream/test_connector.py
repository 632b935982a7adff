from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
import uvloop
from support.drivers import DRIVERS, why_not

from fastws._driver import Driver
from fastws.config import model
from fastws.config.model import Address
from fastws.proxy.drivers import bare_sockets
from fastws.upstream.connector import Connector
from fastws.upstream.group import Upstream
from fastws.upstream.peer import Peer, lone_state

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

    from support.certificates import Certificates


class Client(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        transport.write(b"ping")

    def data_received(self, data: bytes) -> None:
        self.received.set_result(data)
        self.transport.close()

    def connect_failed(self, error: OSError) -> None:
        self.received.set_exception(error)
        self.lost.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.lost.set()


class Server(asyncio.Protocol):
    """Echoes, and says which protocol was agreed on."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        tls = self.transport.get_extra_info("ssl_object")
        self.transport.write(b"%b %a" % (data, tls and tls.selected_alpn_protocol()))


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    if why := why_not(request.param):
        pytest.skip(why)
    return request.param


@asynccontextmanager
async def listening(
    sock: socket.socket, context: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    server = await asyncio.get_running_loop().create_server(Server, sock=sock, ssl=context)
    async with server:
        yield


async def talk(peer: Peer, driver: str) -> bytes:
    """Connect, and return what the server answers."""
    loop = asyncio.get_running_loop()
    connector = Connector(loop, bare_sockets(driver, Driver(loop)), stall=60)
    client = Client()
    async with asyncio.timeout(10):
        connector.connect(peer, client)
        answer = await client.received
        await client.lost.wait()
    return answer


def run(work: Coroutine[None, None, bytes]) -> bytes:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def tcp(family: socket.AddressFamily = socket.AF_INET) -> tuple[socket.socket, Address]:
    sock = socket.socket(family)
    sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    host, port = sock.getsockname()[:2]
    return sock, Address(host=host, port=port)


def unix(folder: Path) -> tuple[socket.socket, Address]:
    path = str(folder / "s.sock")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    return sock, Address(path=path)


def over_tls(address: Address, certificates: Certificates, **more: str) -> Peer:
    """Make a peer as a configuration would."""
    secret = Address(tls=True, host=address.host, port=address.port, path=address.path)
    servers = (model.Server(address=secret),)
    config = model.Upstream(name="u", servers=servers, tls_ca=str(certificates.authority), **more)
    return Upstream(config).peers[0]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_tcp(family: socket.AddressFamily, driver: str) -> None:
    sock, address = tcp(family)

    async def scenario() -> bytes:
        async with listening(sock):
            return await talk(Peer(address, lone_state(1)), driver)

    assert run(scenario()) == b"ping None"


def test_unix(tmp_path: Path, driver: str) -> None:
    sock, address = unix(tmp_path)

    async def scenario() -> bytes:
        async with listening(sock):
            return await talk(Peer(address, lone_state(1)), driver)

    assert run(scenario()) == b"ping None"


def test_a_name(driver: str) -> None:
    sock, address = tcp()

    async def scenario() -> bytes:
        async with listening(sock):
            return await talk(
                Peer(Address(host="localhost", port=address.port), lone_state(1)), driver
            )

    assert run(scenario()) == b"ping None"


def test_tls(certificates: Certificates, driver: str) -> None:
    sock, address = tcp()
    server = certificates.server()
    server.set_alpn_protocols(["http/1.1"])

    async def scenario() -> bytes:
        async with listening(sock, server):
            return await talk(over_tls(address, certificates), driver)

    assert run(scenario()) == b"ping 'http/1.1'"


def test_tls_over_unix_is_verified_for_localhost(
    tmp_path: Path, certificates: Certificates, driver: str
) -> None:
    sock, address = unix(tmp_path)

    async def scenario() -> bytes:
        async with listening(sock, certificates.server()):
            return await talk(over_tls(address, certificates), driver)

    assert run(scenario()) == b"ping None"


def test_a_refused_connection_is_an_os_error(driver: str) -> None:
    sock, address = tcp()  # bound, but nobody listens
    with closing(sock), pytest.raises(ConnectionRefusedError):
        run(talk(Peer(address, lone_state(1)), driver))


def test_a_missing_unix_socket_is_an_os_error(tmp_path: Path, driver: str) -> None:
    with pytest.raises(FileNotFoundError):
        run(talk(Peer(Address(path=str(tmp_path / "gone.sock")), lone_state(1)), driver))


def test_an_unknown_name_is_an_os_error(driver: str) -> None:
    with pytest.raises(OSError, match=r"."):
        run(talk(Peer(Address(host="nowhere.invalid", port=1), lone_state(1)), driver))


def test_a_name_that_the_certificate_is_not_for_is_an_os_error(
    certificates: Certificates, driver: str
) -> None:
    sock, address = tcp()

    async def scenario() -> bytes:
        async with listening(sock, certificates.server()):
            return await talk(over_tls(address, certificates, tls_server_name="other.test"), driver)

    with pytest.raises(OSError, match="TLS failed: CERTIFICATE_VERIFY_FAILED"):
        run(scenario())


def test_a_server_without_tls_is_an_os_error(certificates: Certificates, driver: str) -> None:
    sock, address = tcp()

    async def scenario() -> bytes:
        async with listening(sock):
            return await talk(over_tls(address, certificates), driver)

    with pytest.raises(OSError, match="TLS failed: "):
        run(scenario())


def test_a_server_that_hangs_up_on_tls_is_an_os_error(
    certificates: Certificates, driver: str
) -> None:
    sock, address = tcp()

    class Rude(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, _hello: bytes) -> None:
            self.transport.close()

    async def scenario() -> bytes:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Rude, sock=sock):
            return await talk(over_tls(address, certificates), driver)

    with pytest.raises(OSError, match="TLS failed: the connection was closed"):
        run(scenario())
