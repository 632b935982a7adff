"""Plain HTTP through fastws: real clients, real servers, and what they make of WebSockets."""

from __future__ import annotations

import io
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import socketio
from aiohttp import web as aiohttp_web
from support import peers, web
from support.applications import SOCKET_IO_TALK, socketio_server, socketio_talk
from support.browser import CHROMIUM, Browser
from support.proxy import Proxy
from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from support.certificates import Certificates
    from support.loops import LoopThread

MIB = 1 << 20
BODY = bytes(range(256)) * 8192  # 2 MiB


@pytest.fixture(scope="session")
def sites(loop: LoopThread, driver: str) -> Iterator[Callable[[str], Proxy]]:
    """A proxy before the web server of this name; each is started once."""
    running: dict[str, Proxy] = {}
    with ExitStack() as stack:

        def before(name: str) -> Proxy:
            if name not in running:
                if name == "node":
                    if not shutil.which("node"):
                        pytest.skip("needs node")
                    server: Any = web.node_program(web.NODE)
                else:
                    server = peers.serving(loop, web.ASYNCIO_SERVERS[name]())
                address = stack.enter_context(server)
                running[name] = stack.enter_context(Proxy(address, driver=driver))
            return running[name]

        yield before


@pytest.fixture(params=["aiohttp", "uvicorn", "node"])
def site(sites: Callable[[str], Proxy], request: pytest.FixtureRequest) -> str:
    return f"http://{sites(request.param).address}"


def parts() -> Iterator[bytes]:
    yield from (BODY[at : at + 70_000] for at in range(0, len(BODY), 70_000))


async def parts_in_turn() -> AsyncIterator[bytes]:
    for part in parts():
        yield part


def test_curl(site: str, tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    upload = tmp_path / "upload"
    upload.write_bytes(BODY)

    def curl(*arguments: str) -> bytes:
        command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "30", *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout

    assert curl(f"{site}/") == web.PAGE
    assert curl("--http1.0", f"{site}/") == web.PAGE
    assert curl("--http2", f"{site}/") == web.PAGE  # which asks for an upgrade to h2c
    assert b"200 OK" in curl("--head", f"{site}/")
    assert curl("-T", str(upload), f"{site}/echo") == BODY  # with Expect: 100-continue
    assert curl("-T", str(upload), "-H", "Transfer-Encoding: chunked", f"{site}/echo") == BODY
    assert len(curl(f"{site}/big?5000000")) == 5_000_000
    kept = curl(*[f"{site}/"] * 5, *["-o", "/dev/null"] * 5, "-w", "%{num_connects} ")
    assert kept.split() == [b"1", b"0", b"0", b"0", b"0"]


def test_curl_takes_up_what_it_has_a_part_of(sites: Callable[[str], Proxy], tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    whole = Path(web.__file__).read_bytes()
    part = tmp_path / "part"
    part.write_bytes(whole[:100])
    url = f"http://{sites('aiohttp').address}/file"
    command = ["curl", "--silent", "--fail", "--max-time", "30", url]
    ranged = subprocess.run([*command, "--range", "10-19"], check=True, capture_output=True)
    assert ranged.stdout == whole[10:20]
    subprocess.run([*command, "--continue-at", "-", "--output", part], check=True)
    assert part.read_bytes() == whole


@pytest.fixture
def small(sites: Callable[[str], Proxy], driver: str) -> Iterator[str]:
    """The URL of a proxy that takes no more than a MiB."""
    inner = sites("aiohttp").address
    with Proxy(inner, driver=driver, settings={"routes[0].max_body": str(MIB)}) as proxy:
        yield f"http://{proxy.address}/echo"


def test_clients_that_send_too_much_hear_of_it(
    small: str, loop: LoopThread, tmp_path: Path
) -> None:
    async def by_aiohttp() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.put(small, data=io.BytesIO(BODY)) as answer,
        ):
            return answer.status

    assert requests.put(small, data=BODY, timeout=PATIENCE).status_code == 413
    assert httpx.put(small, content=BODY, trust_env=False, timeout=PATIENCE).status_code == 413
    assert loop.run(by_aiohttp()) == 413
    upload = tmp_path / "upload"
    upload.write_bytes(BODY * 5)
    if shutil.which("curl"):
        command = ["curl", "--silent", "--max-time", "30", "--write-out", "%{http_code}", small]
        for framing in ("Expect:", "Transfer-Encoding: chunked"):
            done = subprocess.run(
                [*command, "-T", upload, "-H", framing, "-o", tmp_path / "answer"],
                capture_output=True,
                check=False,  # it may count as a failure that not all could be sent
            )
            assert done.stdout == b"413", framing


def test_requests(site: str) -> None:
    with requests.Session() as session:
        assert session.get(f"{site}/").content == web.PAGE
        assert session.put(f"{site}/echo", data=BODY).content == BODY
        answer = session.post(f"{site}/echo", data=parts())
        assert (answer.content, answer.headers["X-Method"]) == (BODY, "POST")
        assert session.head(f"{site}/").status_code == 200
        assert len(session.get(f"{site}/big?5000000").content) == 5_000_000


def test_httpx_and_events_as_they_come(site: str) -> None:
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        assert client.get(f"{site}/").content == web.PAGE
        assert client.post(f"{site}/echo", content=parts()).content == BODY
        with client.stream("GET", f"{site}/events") as stream:
            lines = stream.iter_lines()
            for number in range(3):
                assert next(lines) == f"data: {number}"
                assert client.get(f"{site}/next").status_code == 204
                next(lines, None)
            assert list(lines) == []


def test_aiohttp(site: str, loop: LoopThread) -> None:
    async def talk() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{site}/") as answer:
                assert await answer.read() == web.PAGE
            async with session.post(f"{site}/echo", data=parts_in_turn()) as answer:
                assert await answer.read() == BODY
            async with session.put(f"{site}/echo", data=io.BytesIO(BODY), expect100=True) as answer:
                assert await answer.read() == BODY

    loop.run(talk())


def test_a_browser(site: str, tmp_path: Path) -> None:
    if not CHROMIUM:
        pytest.skip("needs chromium")
    with Browser(tmp_path) as browser:
        browser.open(f"{site}/")
        assert until(lambda: browser.evaluate("document.title") == "web")
        uploaded = """
            fetch('/echo', {method: 'POST', body: new Uint8Array(3000000).fill(7)})
              .then(answer => answer.arrayBuffer())
              .then(body => new Uint8Array(body).filter(byte => byte === 7).length)
        """
        assert browser.evaluate(uploaded) == 3_000_000
        events = """
            new Promise(done => {
              const seen = [], source = new EventSource('/events');
              source.onmessage = async event => {
                seen.push(event.data);
                if (seen.length === 3) source.close();
                await fetch('/next');  // the last one, too, before the browser is closed:
                // else the server waits, and takes what is said for a later test
                if (seen.length === 3) done(seen.join());
              };
            })
        """
        assert browser.evaluate(events) == "0,1,2"


def test_a_browser_speaks_of_everything_to_one_origin(
    sites: Callable[[str], Proxy], tmp_path: Path
) -> None:
    if not CHROMIUM:
        pytest.skip("needs chromium")
    with Browser(tmp_path) as browser:
        browser.open(f"http://{sites('aiohttp').address}/")
        assert until(lambda: browser.evaluate("document.title") == "web")
        together = """
            new Promise((done, failed) => {
              const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
              const file = new Blob([new Uint8Array(2000000).fill(7)]);
              let source, events = 0;
              socket.onerror = failed;
              socket.onopen = () => {
                source = new EventSource('/events');
                source.onmessage = async () => {
                  const answer = await fetch('/echo', {method: 'PUT', body: file});
                  socket.send((await answer.blob()).size + ' ' + ++events);
                };
              };
              socket.onmessage = async message => {
                if (message.data === '2000000 3') {
                  source.close(); socket.close(1000); socket.onclose = end => done(end.code);
                }
                await fetch('/next');
              };
            })
        """
        assert browser.evaluate(together) == 1000


# -- TLS on both sides --------------------------------------------------------------------------


def test_tls_on_both_sides(
    sites: Callable[[str], Proxy], certificates: Certificates, driver: str
) -> None:
    listen = ("wss://127.0.0.1:0",)
    inner = sites("aiohttp").address
    with (
        Proxy(inner, listen=listen, flags=certificates.flags, driver=driver) as upstream,
        Proxy(
            f"wss://{upstream.address}",
            listen=listen,
            flags=certificates.flags,
            settings={"upstreams[0].tls_ca": str(certificates.authority)},
            driver=driver,
        ) as proxy,
        httpx.Client(trust_env=False, timeout=PATIENCE, verify=certificates.client()) as client,
    ):
        site = f"https://{proxy.address}"
        assert client.get(f"{site}/").content == web.PAGE
        assert client.put(f"{site}/echo", content=BODY).content == BODY
        assert client.post(f"{site}/echo", content=parts()).content == BODY
        assert len(client.get(f"{site}/big?5000000").content) == 5_000_000
        # One connection served them all, on either side.
        for served in (proxy, upstream):
            assert until(lambda served=served: len(served.matching("request")) == 4)
            assert len({event["client"] for event in served.matching("request")}) == 1


# -- Socket.IO: polling, then a WebSocket -------------------------------------------------------


async def _socketio_server(name: str) -> aiohttp_web.AppRunner:
    server = socketio.AsyncServer(async_mode="aiohttp")

    @server.event
    async def ask(_: str, data: str) -> list[str]:
        return [data, name]

    app = aiohttp_web.Application()
    server.attach(app)
    runner = aiohttp_web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await aiohttp_web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


@pytest.mark.parametrize("balance", ["ip_hash", "sticky cookie server"])
def test_socketio_of_several_servers(loop: LoopThread, balance: str, driver: str) -> None:
    async def talk(url: str) -> tuple[str, set[str]]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            client = socketio.AsyncClient(reconnection=False, http_session=session)
            await client.connect(url, wait_timeout=PATIENCE)  # by polling; then it upgrades
            answers = [await client.call("ask", "x" * size) for size in (1, 1000, 100_000)]
            transport = client.transport()
            await client.disconnect()
        return transport, {name for _, name in answers}

    runners = [loop.run(_socketio_server(str(number))) for number in range(3)]
    addresses = [f"127.0.0.1:{runner.addresses[0][1]}" for runner in runners]
    try:
        with Proxy(*addresses, driver=driver, flags=("--balance", balance)) as proxy:
            for _ in range(4):
                transport, servers = loop.run(talk(f"http://{proxy.address}"))
                assert transport == "websocket"
                assert len(servers) == 1
            assert proxy.stop() == 0
            assert {event["status"] for event in proxy.matching("request")} == {200}
    finally:
        for runner in runners:
            loop.run(runner.cleanup())


@pytest.mark.parametrize("balance", ["ip_hash", "sticky cookie server"])
def test_socketio_of_node(node_modules: Path, balance: str, driver: str) -> None:
    with socketio_server(node_modules) as first, socketio_server(node_modules) as second:
        with Proxy(first, second, driver=driver, flags=("--balance", balance)) as proxy:
            assert socketio_talk(node_modules, proxy.address) == SOCKET_IO_TALK
