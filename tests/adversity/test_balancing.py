"""Servers that hang up, are silent or full: a client gets another one while there is one."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from support.frames import TEXT
from support.proxy import Proxy
from support.raw import (
    Upstream,
    Wire,
    connect,
    gets_through,
    handshake,
    request,
    switching,
    tunnel,
)
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def stage(
    count: int,
    balance: str = "round_robin",
    *,
    follow: str = "",
    patience: float = 15,
    **settings: object,
) -> Iterator[tuple[Proxy, list[Upstream]]]:
    """A proxy before scripted upstreams, with settings of the servers.

    `follow` are the failures after which the next server is asked, and `patience` the seconds that
    one has for its answer. Who failed is not tried again.
    """
    settings.setdefault("fail_timeout", 3600)
    keys = {
        f"upstreams[0].servers[{i}].{key}": value
        for i in range(count)
        for key, value in settings.items()
    }
    keys["timeouts.handshake"] = patience
    if follow:
        keys["routes[0].next_upstream.on"] = json.dumps(follow.split())
    with ExitStack() as stack:
        upstreams = [stack.enter_context(Upstream()) for _ in range(count)]
        proxy = Proxy(*upstreams, settings=keys, flags=("--balance", balance))
        yield stack.enter_context(proxy), upstreams


def hang_up(server: Wire) -> None:
    server.close()


def reset(server: Wire) -> None:
    server.reset()


def half_an_answer(server: Wire) -> None:
    server.send(switching()[:40])
    server.close()


def silence(server: Wire) -> None:
    server.expect_silence(0.1)


@pytest.mark.parametrize("failure", [hang_up, reset, half_an_answer, silence])
def test_the_next_server_is_asked_in_its_place(failure: Callable[[Wire], None]) -> None:
    patience = 2 if failure is silence else 15
    with stage(2, patience=patience) as (proxy, (first, second)), connect(proxy) as client:
        client.send(request("/chat", "X-A: 1"))
        client.send_frame(TEXT, b"early")
        with first.accept() as server:
            asked = server.read_head()
            failure(server)
            with second.accept() as other:
                again = other.read_head()
                assert again.raw == asked.raw
                other.send(switching())
                assert other.read_message() == b"early"
                assert client.read_head().status == 101
                other.send_text("late")
                assert client.read_message() == b"late"
        # and the first is left alone from now on
        for _ in range(3):
            with tunnel(proxy, second):
                first.expect_nobody()


def test_a_client_learns_how_the_last_one_failed() -> None:
    with stage(3, patience=0.5) as (proxy, (first, second, third)), connect(proxy) as client:
        third.sock.close()
        client.send(request())
        with first.accept() as server:
            server.read_head()
            server.close()
        with second.accept():
            head = client.read_head()
        assert head.status == 502
        assert b"3 upstream servers tried" in client.read_body(head)
        with connect(proxy) as other:
            other.send(request())
            head = other.read_head()
            assert head.status == 502
            assert b"No upstream server is available" in other.read_body(head)


def test_an_answer_that_cannot_be_read_ends_the_search() -> None:
    with stage(2) as (proxy, (first, second)), connect(proxy) as client:
        client.send(request())
        with first.accept() as server:
            server.send(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n")
            assert client.read_head().status == 502
        second.expect_nobody()
        for _ in range(3):
            with tunnel(proxy, second):
                first.expect_nobody()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        # A 101 that does not fit a request may be the client's doing.
        pytest.param(switching("Sec-WebSocket-Protocol: chat"), 502, id="a 101 that does not fit"),
        pytest.param(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 503, id="a refusal"),
    ],
)
def test_an_answer_is_no_failure(answer: bytes, status: int) -> None:
    with stage(2) as (proxy, (first, second)):
        for upstream in (first, second, first, second):
            with connect(proxy) as client:
                client.send(request())
                with upstream.accept() as server:
                    server.read_head()
                    server.send(answer)
                    assert client.read_head().status == status


BUSY = b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"


@pytest.mark.parametrize(("status", "failed"), [("503", True), ("404", False)])
def test_an_answer_may_send_a_client_to_the_next_server(status: str, *, failed: bool) -> None:
    with stage(2, follow=f"http_{status}") as (proxy, (first, second)):
        with connect(proxy) as client:
            client.send(request())
            with first.accept() as server:
                server.read_head()
                server.send(BUSY.replace(b"503", status.encode()))
                with second.accept() as other:
                    other.read_head()
                    other.send(switching())
                    assert client.read_head().status == 101
        with connect(proxy) as one, connect(proxy) as two:
            for client in (one, two):
                client.send(request())
            for upstream in (second, second if failed else first):
                upstream.accept().close()


def test_the_last_answer_is_the_clients() -> None:
    with stage(2, follow="http_503") as (proxy, (first, second)), connect(proxy) as client:
        client.send(request())
        for upstream in (first, second):
            with upstream.accept() as server:
                server.read_head()
                server.send(BUSY)
        head = client.read_head()
        assert (head.status, client.read_body(head)) == (503, b"busy")


def test_an_answer_that_cannot_be_read_may_too() -> None:
    with stage(2, follow="invalid_header") as (proxy, (first, second)), connect(proxy) as client:
        client.send(request())
        with first.accept() as server:
            server.read_head()
            server.send(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n")
            with second.accept() as other:
                other.read_head()
                other.send(switching())
                assert client.read_head().status == 101


@pytest.mark.parametrize(("follow", "asked"), [("http_503", 1), ("http_503 non_idempotent", 2)])
def test_a_post_is_sent_twice_only_where_that_is_said(follow: str, asked: int) -> None:
    with stage(2, follow=follow) as (proxy, upstreams), connect(proxy) as client:
        client.send(POST + b"body")
        for upstream in upstreams[:asked]:
            with upstream.accept() as server:
                server.read_head()
                assert server.read(4) == b"body"
                server.send(BUSY)
        assert client.read_head().status == 503


def test_a_body_that_has_gone_on_is_not_sent_again() -> None:
    with stage(2, follow="http_503 non_idempotent") as (proxy, (first, second)):
        with connect(proxy) as client:
            client.send(POST)
            with first.accept() as server:
                server.read_head()
                client.send(b"body")
                assert server.read(4) == b"body"
                server.send(BUSY)
                assert client.read_head().status == 503
            second.expect_nobody()


def test_nobody_is_asked_after_the_first_where_nothing_is_followed() -> None:
    with ExitStack() as stack:
        dead, alive = (stack.enter_context(Upstream()) for _ in range(2))
        dead.sock.close()
        settings = {"routes[0].next_upstream.on": "[]"}
        proxy = stack.enter_context(Proxy(dead, alive, settings=settings))
        with connect(proxy) as client:
            client.send(request())
            assert client.read_head().status == 502
        alive.expect_nobody()


def test_so_many_are_asked_and_no_more() -> None:
    with ExitStack() as stack:
        upstreams = [stack.enter_context(Upstream()) for _ in range(3)]
        settings = {"routes[0].next_upstream.tries": 2}
        proxy = stack.enter_context(Proxy(*upstreams, settings=settings))
        client = stack.enter_context(connect(proxy))
        client.send(request())
        for upstream in upstreams[:2]:
            with upstream.accept() as server:
                server.read_head()
        assert client.read_head().status == 502
        upstreams[2].expect_nobody()


def test_none_is_asked_when_the_time_is_over() -> None:
    with ExitStack() as stack:
        upstreams = [stack.enter_context(Upstream()) for _ in range(2)]
        settings = {"routes[0].next_upstream.timeout": 0.05, "timeouts.handshake": 0.1}
        proxy = stack.enter_context(Proxy(*upstreams, settings=settings))
        client = stack.enter_context(connect(proxy))
        client.send(request())
        with upstreams[0].accept() as server:
            server.read_head()
            assert client.read_head().status == 504
        upstreams[1].expect_nobody()


def test_a_tunnel_counts_from_its_beginning_to_its_end() -> None:
    with stage(2, max_conns=1) as (proxy, (first, second)):
        with tunnel(proxy, first), tunnel(proxy, second) as (client, server):
            with connect(proxy) as third:
                third.send(request())
                assert third.read_head().status == 502
            server.send_close(1000)
            client.send_close(1000)
            server.close()
            client.close()
            assert until(lambda: gets_through(proxy, second))


def test_a_client_that_goes_away_is_counted_out() -> None:
    with stage(1, max_conns=1) as (proxy, (upstream,)):
        for _ in range(3):
            with connect(proxy) as client:
                client.send(request())
                with upstream.accept() as server:
                    server.read_head()
                    client.close()
                    server.expect_end()


def test_an_answer_is_counted_out_when_it_ends() -> None:
    with stage(1, max_conns=1) as (proxy, (upstream,)):
        with connect(proxy) as client:
            client.send(request())
            with upstream.accept() as server:
                server.read_head()
                server.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\na")
                assert client.read_head().status == 403
                with connect(proxy) as other:
                    other.send(request())
                    assert other.read_head().status == 502
                server.send(b"b")
                assert client.read(2) == b"ab"
                client.expect_end()
        assert gets_through(proxy, upstream)


def test_tunnels_are_what_least_conn_counts() -> None:
    with stage(2, "least_conn") as (proxy, (first, second)):
        with tunnel(proxy, first), tunnel(proxy, second) as (client, server):
            client.close()
            server.expect_end()
            server.close()
            proxy.event("tunnel_closed")
            with tunnel(proxy, second):  # whose turn it is not
                pass


def test_a_server_is_found_again_by_its_cookie() -> None:
    balance = "sticky cookie id path=/ httponly"
    with stage(3, balance) as (proxy, (first, second, third)):
        with connect(proxy) as client:
            client.send(request())
            with first.accept() as server:
                server.read_head()
                server.send(switching("Set-Cookie: own=1"))
                own, cookie = client.read_head().all("Set-Cookie")
                assert own == "own=1"
                value, *attributes = cookie.split("; ")
                assert attributes == ["httponly", "path=/"]
        for _ in range(3):
            with connect(proxy) as client, handshake(client, first, f"Cookie: {value}"):
                pass
        with connect(proxy) as client:
            client.send(request())
            with second.accept() as server:
                server.read_head()
                server.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
                (other,) = client.read_head().all("Set-Cookie")
                assert other.split(";")[0] != value
        first.sock.close()
        with connect(proxy) as client, handshake(client, third, f"Cookie: {value}"):
            pass
