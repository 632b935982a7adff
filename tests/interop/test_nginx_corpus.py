"""What projects publish for nginx, served as it is: a WebSocket and a plain request each, and the
application itself where it is cheap to have.

Only what belongs to the machine is replaced: where to listen, where the servers are, and the
certificates.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
import pytest
from aiohttp import web
from support.applications import SOCKET_IO_TALK, jupyter, socketio_server, socketio_talk
from support.nginx import free_ports
from support.peers import serving
from support.proxy import Proxy
from support.waiting import PATIENCE
from support.web import echo_messages
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.certificates import Certificates
    from support.loops import LoopThread

CORPUS = Path(__file__).parents[1] / "unit" / "config" / "nginx" / "corpus"

_LISTEN = re.compile(r"\blisten ([^;]*);")
_SERVER = re.compile(r"\b(server|proxy_pass http://)( ?)([a-z0-9.]+):(\d+)")
_CERTIFICATE = re.compile(r"\b(ssl_certificate|ssl_certificate_key) +[^;]*;")


class Case(NamedTuple):
    """A file, what to ask for, and what the backend is to see."""

    file: str
    host: str
    socket: str
    plain: str
    seen: str = ""  # the target of the plain request at the backend; empty: as it was sent
    tls: bool = False
    ignored: tuple[str, ...] = ()


CASES = [
    Case("first.conf", "a.test", "/websocket", "/websocket/x"),
    Case("agents.conf", "a.test", "/socket.io/?EIO=4", "/console/api/x"),
    Case(
        "cameras.conf", "a.test", "/ws", "/api/events?a=1", "/events?a=1", ignored=("auth_request",)
    ),
    Case("chat_team.conf", "chat.example.com", "/api/v4/websocket", "/x?y=1", tls=True),
    Case("home.conf", "home.example.com", "/api/websocket", "/x", tls=True),
    Case(
        "manager.conf", "a.example.com", "/ws", "/x?y", tls=True, ignored=("auth_basic", "satisfy")
    ),
    Case(
        "meetings.conf", "meet.example.com", "/colibri-ws/default-id/a",
        "/colibri-ws/default-id/b?c", tls=True,
    ),
    Case("notebooks.conf", "hub.example.com", "/user/a/kernels", "/x%20y", tls=True),
    Case("polling_cluster.conf", "a.test", "/socket.io/?transport=websocket", "/socket.io/?a"),
    Case("social.conf", "social.example.com", "/api/v1/streaming/", "/about?x", tls=True),
    Case("status_page.conf", "status.example.com", "/socket.io/", "/dashboard"),
    Case("support_desk.conf", "desk.example.com", "/cable", "/app", tls=True),
    Case("swag.conf", "app.example.org", "/ws", "/app/x", "/x", tls=True),
    Case("vault.conf", "vault.example.com", "/notifications/hub", "/x", tls=True),
    Case(
        "videos.conf", "video.example.com", "/tracker/socket", "/x?y", tls=True,
        ignored=("limit_req", "limit_rate"),
    ),
]  # fmt: skip


async def _serve(request: web.Request) -> web.StreamResponse:
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return web.Response(text=f"{request.method} {request.raw_path}")
    return await echo_messages(request)


@asynccontextmanager
async def _backend() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", _serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _each_driver() -> None:
    """One driver is enough here: none of them reads files."""


@pytest.fixture(scope="module")
def backend(loop: LoopThread) -> Iterator[str]:
    with serving(loop, _backend()) as address:
        yield address


@pytest.fixture
def folder(tmp_path: Path, backend: str, certificates: Certificates) -> Path:
    return _files(tmp_path, backend, certificates)


def _files(tmp_path: Path, backend: str, certificates: Certificates) -> Path:
    """The files, as they would stand on this machine."""
    copy = tmp_path / "corpus"
    shutil.copytree(CORPUS, copy)
    for file in copy.rglob("*.conf"):
        text = file.read_text()
        if file.name == "home.conf":  # the map stands in another file of the project
            text = f"map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }} {text}"
        if file.name == "manager.conf":  # over plain HTTP it redirects to TLS, and no more
            text = text.replace("listen 80;", "listen 443 ssl;").replace("allow 10.", "allow 127.")
        file.write_text(_at_home(text, backend, certificates))
    return copy


def _at_home(text: str, backend: str, certificates: Certificates) -> str:
    host, _, port = backend.partition(":")
    files = f"ssl_certificate {certificates.certificate}; ssl_certificate_key {certificates.key};"
    ports: dict[str, int] = {}

    def listen(match: re.Match[str]) -> str:
        where, *rest = match[1].split()
        if where.startswith("["):
            return ""
        if where not in ports:
            (ports[where],) = free_ports(1)
        tls = files if "ssl" in rest else ""
        return f"listen 127.0.0.1:{ports[where]} {' '.join(rest)}; {tls}"

    text = _CERTIFICATE.sub("", text)
    text = _LISTEN.sub(listen, text)
    text = _SERVER.sub(lambda match: f"{match[1]}{match[2]}{backend}", text)
    for name, value in {
        "server": host,
        "port": port,
        "upstream_app": host,
        "upstream_port": port,
    }.items():
        text = re.sub(rf"set \${name} [^;]*;", f"set ${name} {value};", text)
    return text.replace("$upstream_app:8080", f"$upstream_app:{port}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_a_websocket_and_a_plain_request_get_through(
    case: Case, folder: Path, loop: LoopThread
) -> None:
    ignored = [word for name in case.ignored for word in ("--ignore", name)]
    flags = (str(folder / case.file), *ignored)
    with Proxy(listen=(), flags=flags) as proxy:
        scheme = "wss://" if case.tls else "ws://"
        url = next(each for each in proxy.addresses if each.startswith(scheme))
        echoed, answer = loop.run(_visit(url, case))
    assert echoed == "hello"
    assert answer == f"GET {case.seen or case.plain}"


SOCKET_IO = [case for case in CASES if "/socket.io/" in case.socket]


@pytest.mark.parametrize("case", SOCKET_IO, ids=lambda case: case.file)
def test_socketio_through_those_that_are_for_it(
    case: Case, tmp_path: Path, node_modules: Path, certificates: Certificates
) -> None:
    with socketio_server(node_modules) as backend:
        flags = (str(_files(tmp_path, backend, certificates) / case.file),)
        with Proxy(listen=(), flags=flags) as proxy:
            assert socketio_talk(node_modules, proxy.address, case.host) == SOCKET_IO_TALK


def test_notebooks_and_their_terminals(
    tmp_path: Path, loop: LoopThread, certificates: Certificates
) -> None:
    with jupyter(tmp_path) as backend:
        flags = (str(_files(tmp_path, backend, certificates) / "notebooks.conf"),)
        with Proxy(listen=(), flags=flags) as proxy:
            assert loop.run(_ask_terminal(URL(proxy.url().replace("wss", "https")))) == "42"


async def _ask_terminal(url: URL) -> str:
    """Upload a file, and have a terminal print it."""
    # A browser's origin, which Jupyter compares with the Host that it is told.
    headers = {
        "Host": "hub.example.com",
        "Origin": "https://hub.example.com",
        "Authorization": "token secret",
    }
    document = {"type": "file", "format": "text", "content": "4" + "2" * 900_000}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        async with session.put(url / "api/contents/large.txt", json=document, ssl=False):
            pass
        async with session.get(url / "files/large.txt", ssl=False) as answer:
            assert len(await answer.read()) == 900_001
        async with session.post(url / "api/terminals", ssl=False) as answer:
            name = (await answer.json())["name"]
        path = url / "terminals/websocket" / name
        async with session.ws_connect(path, ssl=False) as socket:
            await socket.send_json(["stdin", "echo =$(head -c 2 large.txt)=\r"])
            seen = ""
            while not (found := re.search("=([0-9]+)=", seen)):
                kind, *parts = await socket.receive_json()
                seen += parts[0] if kind == "stdout" else ""
            return found[1]


async def _visit(url: str, case: Case) -> tuple[str, str]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    headers = {"Host": case.host}
    async with (
        asyncio.timeout(PATIENCE),
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(URL(url + case.socket, encoded=True), ssl=context) as socket,
    ):
        await socket.send_str("hello")
        echoed = await socket.receive_str()
        plain = URL(url.replace("ws", "http", 1) + case.plain, encoded=True)
        async with session.get(plain, ssl=context) as response:
            return echoed, await response.text()


def test_the_second_of_the_article_is_refused_with_the_line_of_each_fault() -> None:
    with (
        pytest.raises(AssertionError) as caught,
        Proxy(listen=(), flags=(str(CORPUS / "second.conf"),)),
    ):
        pass
    for line in (2, 3, 9, 12, 14):
        assert f"second.conf:{line}:" in str(caught.value)
