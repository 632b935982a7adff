"""`fastws serve --demo` in a real browser: the page opens its WebSocket through the proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.browser import CHROMIUM, Browser
from support.proxy import Proxy
from support.raw import connect
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from support.certificates import Certificates


@pytest.fixture(params=["ws", "wss"])
def demo(request: pytest.FixtureRequest, certificates: Certificates) -> Any:
    listen = "127.0.0.1:0" if request.param == "ws" else "wss://127.0.0.1:0"
    flags = ("--demo", *(certificates.flags if request.param == "wss" else ()))
    with Proxy(listen=(listen,), flags=flags) as proxy:
        yield proxy


def digits(text: str) -> int:
    return int("".join(filter(str.isdigit, text)) or "0")


def test_the_page_opens_its_websocket_through_fastws(demo: Proxy, tmp_path: Path) -> None:
    if not CHROMIUM:
        pytest.skip("needs chromium")
    with Browser(tmp_path) as browser:
        browser.open(demo.url("/").replace("ws", "http", 1))
        assert until(lambda: browser.text("#status") == "open"), browser.text("body")
        assert until(lambda: digits(browser.text("#count")) >= 3)
        assert digits(browser.text("#rtt")) > 0
        opened = demo.event("tunnel_opened")
        browser.evaluate("document.querySelector('#close').click()")
        assert until(lambda: browser.text("#status") == "closed")
        code = digits(browser.text("#close-code"))
        assert code == 1000
        closed = demo.event("tunnel_closed", id=opened["id"])
        assert (closed["ended_by"], closed["code"]) == ("client", code)
        assert closed["messages_in"] >= 3
        assert closed["messages_out"] >= 3


def test_the_page_shows_the_shutdown(tmp_path: Path) -> None:
    if not CHROMIUM:
        pytest.skip("needs chromium")
    with Proxy(flags=("--demo",)) as proxy, Browser(tmp_path) as browser:
        browser.open(proxy.url("/").replace("ws", "http", 1))
        assert until(lambda: browser.text("#status") == "open")
        assert proxy.stop() == 0
        assert until(lambda: digits(browser.text("#close-code")) == 1001)


def test_the_page_is_served_to_a_plain_request(demo: Proxy) -> None:
    if demo.url().startswith("wss"):
        pytest.skip("the browser's test covers it")
    with connect(demo) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = client.read_head()
        assert head.status == 200
        assert head["Content-Type"].startswith("text/html")
        page = client.read_body(head)
        for element in (b"status", b"count", b"rtt", b"close-code", b"close"):
            assert b'id="%b"' % element in page
