"""What real clients are told when it is not their server that ends a tunnel: code and reason."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest
from support.browser import CHROMIUM, Browser
from support.clients import Ask, Node, Websockets
from support.control import Controlled, config
from support.frames import PING, PONG, TEXT
from support.raw import Upstream, Wire, meanwhile, switching
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _each_driver() -> None:
    """All close frames are made in the relay, whatever the driver: one will do."""


@dataclass
class Case:
    """How it comes to the end, and what the client hears of it."""

    name: str
    end: Callable[[Controlled, Wire], object]
    code: int
    reason: str
    settings: dict[str, str] = field(default_factory=dict)


def stop(proxy: Controlled, _server: Wire) -> None:
    proxy.signal(signal.SIGTERM)


def drain(*arguments: str) -> Callable[[Controlled, Wire], None]:
    def end(proxy: Controlled, server: Wire) -> None:
        with meanwhile(proxy.say, "drain", "--jitter", "0", *arguments):
            server.read_close()
            server.close()

    return end


def lose(_proxy: Controlled, server: Wire) -> None:
    server.close()


def reset(_proxy: Controlled, server: Wire) -> None:
    server.reset()


def send_nonsense(_proxy: Controlled, server: Wire) -> None:
    server.send_frame(0xB, b"?")


def send_no_text(_proxy: Controlled, server: Wire) -> None:
    server.send_frame(TEXT, b"\xff")


def announce_too_much(_proxy: Controlled, server: Wire) -> None:
    server.send(server.header(TEXT, 1001))


def answer_one_ping(_proxy: Controlled, server: Wire) -> None:
    found = server.read_frame()
    assert found.opcode == PING
    server.send_frame(PONG, found.payload)


def say_nothing(_proxy: Controlled, _server: Wire) -> None:
    pass


def kill_worker(proxy: Controlled, _server: Wire) -> None:
    proxy.forgive("worker_lost")
    os.kill(proxy.worker_pids[0], signal.SIGKILL)


def kill_supervisor(proxy: Controlled, _server: Wire) -> None:
    proxy.expect_status(-signal.SIGKILL)
    proxy.signal(signal.SIGKILL)


CASES = (
    Case("shutdown", stop, 1001, "shutting down"),
    Case("drain", drain(), 1012, "drained"),
    Case("drain with a code", drain("--code", "4321"), 4321, "drained"),
    Case("lost", lose, 1014, "upstream connection lost"),
    Case("reset", reset, 1014, "upstream connection lost"),
    Case("broken frame", send_nonsense, 1002, "upstream: reserved opcode"),
    Case(
        "invalid text",
        send_no_text,
        1007,
        "upstream: text that is not UTF-8",
        {"routes[0].validate_utf8": "true"},
    ),
    Case(
        "large message",
        announce_too_much,
        1009,
        "upstream: message of more than 1000 bytes",
        {"routes[0].max_message": "1000"},
    ),
    Case(
        "unanswered",
        answer_one_ping,
        1014,
        "upstream left pings unanswered",
        {"timeouts.ping": "1"},
    ),
    Case("killed worker", kill_worker, 1006, ""),  # RFC 6455 section 7.1.5: no close frame came
    Case("killed supervisor", kill_supervisor, 1001, "shutting down"),
    Case("idle", say_nothing, 1001, "idle timeout", {"timeouts.idle": "0.5"}),
)


class Chromium:
    """A WebSocket in a page."""

    def __init__(self, url: str, browser: Browser) -> None:
        self.browser = browser
        browser.evaluate(
            "void (window.ended = new Promise((done) => {"
            f" new WebSocket({json.dumps(url)}).onclose = (event) =>"
            " done([event.code, event.reason]); }))"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def closed(self) -> tuple[int, str]:
        code, reason = self.browser.evaluate("window.ended")
        return code, reason


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("needs chromium")
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(params=["websockets", "node-ws", "chromium"])
def opened(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """Open a client of each kind."""
    if request.param == "chromium":
        page = request.getfixturevalue("browser")
        return lambda url: Chromium(url, page)
    if request.param == "node-ws":
        modules = request.getfixturevalue("node_modules")
        return lambda url: Node(Ask(url), modules)
    loop = request.getfixturevalue("loop")
    return lambda url: Websockets(Ask(url), loop)


def accept(upstream: Upstream) -> Wire:
    server = upstream.accept()
    server.send(switching(nonce=server.read_head()["Sec-WebSocket-Key"]))
    return server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_client_hears_the_code_and_the_reason(
    case: Case, opened: Callable[[str], Any], tmp_path: Path
) -> None:
    with (
        Upstream() as upstream,
        Controlled(tmp_path, config(upstream.address), settings=case.settings) as proxy,
        ThreadPoolExecutor(1) as pool,
    ):
        accepting = pool.submit(accept, upstream)
        with opened(proxy.url("/")) as client, accepting.result(PATIENCE) as server:
            case.end(proxy, server)
            assert client.closed() == (case.code, case.reason)
