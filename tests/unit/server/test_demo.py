from __future__ import annotations

import pytest
from support.loops import run
from websockets.asyncio.client import connect

from fastws.config.model import Address, Config, Server, Upstream
from fastws.server import demo


def test_the_upstream_echoes_texts_and_bytes() -> None:
    async def scene() -> None:
        async with (
            demo.upstream() as address,
            connect(f"ws://{address.authority}", proxy=None) as client,
        ):
            for message in ("text", b"bytes"):
                await client.send(message)
                assert await client.recv() == message

    run(scene())


def test_its_address_takes_the_place_of_the_placeholder() -> None:
    placeholder = Server(address=Address(host="placeholder", port=1))
    config = Config(upstreams=(Upstream(name="demo", servers=(placeholder,)),))
    here = Address(host="127.0.0.1", port=2)
    (upstream,) = demo.configured(config, here).upstreams
    assert (upstream.name, [server.address for server in upstream.servers]) == ("demo", [here])


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (Address(host="", port=8080), "http://127.0.0.1:8080/"),
        (Address(host="0.0.0.0", port=8080), "http://127.0.0.1:8080/"),
        (Address(host="::", port=8080), "http://127.0.0.1:8080/"),
        (Address(host="::1", port=8080), "http://[::1]:8080/"),
        (Address(tls=True, host="example.com", port=8443), "https://example.com:8443/"),
    ],
)
def test_a_browser_on_this_machine_finds_the_page(address: Address, url: str) -> None:
    assert demo.url(address) == url


def test_the_page_opens_a_websocket() -> None:
    assert b"new WebSocket(" in demo.page()
