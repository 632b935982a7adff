"""Every client with every server through fastws: they must not notice that it is there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.clients import Refused
from support.peers import COOKIES, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.clients import Client
    from support.proxy import Proxy

    Open = Callable[..., Client]

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20)


def needs(open_client: Open, ability: str) -> None:
    if ability not in open_client.can:  # type: ignore[attr-defined]
        pytest.skip(f"this client cannot {ability}")


def test_messages_of_all_sizes_come_back(proxy: Proxy, open_client: Open) -> None:
    with open_client(proxy.url("/echo")) as client:
        for size in SIZES:
            data = (bytes(range(256)) * (size // 256 + 1))[:size]
            client.send(data)
            assert client.receive() == data
            text = ("äöü€💡 plain " * (size // 10 + 1))[:size]
            client.send(text)
            assert client.receive() == text


def test_messages_in_flight_keep_their_order(proxy: Proxy, open_client: Open) -> None:
    with open_client(proxy.url("/echo")) as client:
        for number in range(200):
            client.send(f"message {number}")
        for number in range(200):
            assert client.receive() == f"message {number}"


def test_fragmented_messages_arrive_whole(proxy: Proxy, open_client: Open, server: str) -> None:
    needs(open_client, "fragment")
    if server == "picows":
        pytest.skip("echoes a fragment without remembering its type")
    with open_client(proxy.url("/echo")) as client:
        for fragments in (["grü", "ße, ", "", "world"], [b"\x00" * 70_000, b"", b"\xff" * 3]):
            client.send_fragments(fragments)
            assert client.receive() == type(fragments[0])().join(fragments)


def test_a_ping_gets_its_pong(proxy: Proxy, open_client: Open) -> None:
    needs(open_client, "ping")
    with open_client(proxy.url("/echo")) as client:
        for payload in (b"first", b"x" * 125):
            client.ping(payload)
        client.send("still in step")
        assert client.receive() == "still in step"


def test_the_subprotocol_is_agreed_end_to_end(proxy: Proxy, open_client: Open) -> None:
    with open_client(proxy.url("/"), subprotocols=["unknown", "superchat"]) as client:
        assert client.subprotocol == "superchat"
    with open_client(proxy.url("/")) as client:
        assert client.subprotocol is None


def test_compression_is_agreed_end_to_end(proxy: Proxy, open_client: Open, server: str) -> None:
    with open_client(proxy.url("/")) as client:
        both = "compress" in open_client.can and server != "picows"  # type: ignore[attr-defined]
        assert ("permessage-deflate" in client.extensions) == both
        text = "compressible " * 10_000
        client.send(text)
        assert client.receive() == text


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, "done"), (1001, ""), (1011, "broken"), (3000, "größer"), (4999, "")]
)
def test_the_servers_close_reaches_the_client(
    proxy: Proxy, open_client: Open, code: int, reason: str
) -> None:
    with open_client(proxy.url("/")) as client:
        client.send(f"close {code} {reason}".strip())
        assert client.closed() == (code, reason)


@pytest.mark.parametrize(("code", "reason"), [(1000, "done"), (3000, "größer")])
def test_the_clients_close_reaches_the_server(
    proxy: Proxy, open_client: Open, client: str, code: int, reason: str
) -> None:
    target = f"/{client}/{code}"
    with open_client(proxy.url(target)) as connection:
        connection.send("hello")
        assert connection.receive() == "hello"
        opened = proxy.event("tunnel_opened", target=target)
        connection.close(code, reason)
    closed = proxy.event("tunnel_closed", id=opened["id"])
    assert closed["code"] == code


def test_cookies_and_headers_reach_the_server_exact(
    proxy: Proxy, open_client: Open, server: str
) -> None:
    own = [
        ("Cookie", 'session="a b"; theme=dark'),
        ("Authorization", "Bearer a.b-c_d="),
        ("X-Custom", "one,  two"),
        ("Origin", "https://app.example:8443"),
    ]
    if server in {"uvicorn", "uvicorn-wsproto"}:  # ASGI knows header names in lower case only
        own = [(name.lower(), value) for name, value in own]
    with open_client(proxy.url("/path%2Fto?a=1&b=%20"), headers=own) as client:
        client.send("head")
        seen = json.loads(client.receive())
    assert seen["target"] == "/path%2Fto?a=1&b=%20"
    for name, value in own:
        assert [v for k, v in seen["headers"] if k.lower() == name.lower()] == [value]
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert headers["host"] == proxy.address
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"


def test_the_servers_cookies_reach_the_client(proxy: Proxy, open_client: Open) -> None:
    needs(open_client, "headers")
    with open_client(proxy.url("/")) as client:
        assert client.cookies == list(COOKIES)


def test_a_refusal_reaches_the_client_whole(proxy: Proxy, open_client: Open) -> None:
    with pytest.raises(Refused) as caught:
        open_client(proxy.url("/refused"))
    assert caught.value.status == 403
    if caught.value.body is not None:
        assert caught.value.body.decode().startswith(REFUSED[:1000])
