"""Real servers that die, freeze and come back, under each method of balancing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

import pytest
from support.proxy import Proxy
from support.raw import Wire, connect, request
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _each_driver() -> None:
    """One driver is enough here: none of them chooses."""


METHODS = [
    "round_robin",
    "least_conn",
    "ip_hash",
    "hash $arg_key",
    "hash $arg_key consistent",
    "random",
    "random two",
    "sticky cookie id",
]

GREETER = """
import asyncio, sys
from websockets.asyncio.server import serve

async def greet(connection):
    async for _ in connection:
        await connection.send(sys.argv[1])

async def main():
    async with serve(greet, "127.0.0.1", int(sys.argv[2])) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

asyncio.run(main())
"""


class Server:
    """A process that says its name to every message."""

    port = 0

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", GREETER, self.name, str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


def greeted(client: Wire) -> str:
    client.send_text("who are you?")
    return client.read_message().decode()


@contextmanager
def clients(proxy: Proxy, count: int) -> Iterator[list[tuple[str, Wire]]]:
    """So many tunnels, each with the server it leads to."""
    with ExitStack() as stack:
        found = []
        for i in range(count):
            client = stack.enter_context(connect(proxy))
            client.send(request(f"/?key={i}"))
            assert client.read_head().status == 101
            found.append((greeted(client), client))
        yield found


def landing(proxy: Proxy) -> set[str]:
    with clients(proxy, 12) as found:
        return {name for name, _ in found}


@pytest.mark.parametrize("balance", METHODS)
def test_servers_die_freeze_and_come_back(balance: str) -> None:
    settings = {"timeouts.handshake": 2} | {
        f"upstreams[0].servers[{i}].fail_timeout": 2 for i in range(3)
    }
    with ExitStack() as stack:
        a, b, c = servers = [stack.enter_context(Server(name)) for name in "abc"]
        flags = ("--balance", balance)
        proxy = stack.enter_context(Proxy(*servers, settings=settings, flags=flags))
        with clients(proxy, 12) as before:
            a.__exit__()
            for name, client in before:
                if name == "a":
                    assert client.read_close()[0] == 1014
                else:
                    assert greeted(client) == name
            assert landing(proxy) <= {"b", "c"}
            b.process.send_signal(signal.SIGSTOP)
            assert landing(proxy) == {"c"}
            b.process.send_signal(signal.SIGCONT)
            a.__enter__()
            # All clients are of one network, so with ip_hash they stay together.
            assert balance == "ip_hash" or until(lambda: landing(proxy) == {"a", "b", "c"})
        c.process.kill()
        time.sleep(2.1)  # whoever failed may be tried again
        assert landing(proxy) <= {"a", "b"}
