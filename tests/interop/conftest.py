"""Real servers behind real proxies, shared by all tests of the session that can share them."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support import peers
from support.clients import CLIENTS, Ask, Node
from support.loops import LoopThread
from support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.clients import Client

PACKAGES = ("ws@8", "socket.io@4", "socket.io-client@4")


@pytest.fixture(autouse=True)
def _each_driver(driver: str) -> None:
    """Run every test here with each driver."""
    assert Proxy.driver == driver


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as running:
        yield running


@pytest.fixture(scope="session")
def node_modules(pytestconfig: pytest.Config) -> Path:
    """A folder with npm's `ws` and Socket.IO in it."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("needs node and npm")
    folder = pytestconfig.cache.mkdir("node")
    if not all((folder / "node_modules" / name.partition("@")[0]).exists() for name in PACKAGES):
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *PACKAGES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        if done.returncode:
            pytest.skip(f"npm could not install {PACKAGES}: {done.stderr.strip()[-200:]}")
    return folder


@pytest.fixture(scope="session")
def proxies(
    loop: LoopThread, driver: str, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Proxy]]:
    """A proxy before the echo server of this name; each is started once."""
    running: dict[str, Proxy] = {}
    with ExitStack() as stack:

        def before(name: str) -> Proxy:
            if name not in running:
                if name == "node-ws":
                    server = peers.node_echo(request.getfixturevalue("node_modules"))
                else:
                    server = peers.serving(loop, peers.ASYNCIO_SERVERS[name]())
                address = stack.enter_context(server)
                running[name] = stack.enter_context(Proxy(address, driver=driver))
            return running[name]

        yield before


@pytest.fixture(params=[*peers.ASYNCIO_SERVERS, "node-ws"])
def server(request: pytest.FixtureRequest) -> str:
    """The name of a server."""
    return request.param


@pytest.fixture
def proxy(proxies: Callable[[str], Proxy], server: str) -> Proxy:
    return proxies(server)


@pytest.fixture(params=list(CLIENTS))
def client(request: pytest.FixtureRequest) -> str:
    """The name of a client."""
    return request.param


@pytest.fixture
def open_client(
    client: str, loop: LoopThread, request: pytest.FixtureRequest
) -> Callable[..., Client]:
    """Open the client of this name: `open_client(url, subprotocols=…, headers=…)`."""
    kind = CLIENTS[client]
    needs: Any = request.getfixturevalue("node_modules") if kind is Node else loop

    def connect(url: str, **wishes: Any) -> Client:
        return kind(Ask(url, **wishes), needs)

    connect.can = kind.can  # type: ignore[attr-defined]
    return connect
