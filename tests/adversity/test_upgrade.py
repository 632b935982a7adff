"""A new process takes the place of one that is busy, or dies before it can."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.control import Controlled, config
from support.frames import BINARY
from support.processes import children, held_up, runs
from support.raw import Upstream, Wire, connect, meanwhile, request, switching, tunnel
from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from contextlib import AbstractContextManager
    from pathlib import Path

moves = pytest.mark.usefixtures("_bare_driver")


@pytest.fixture
def _bare_driver(driver: str) -> None:
    if driver == "transport":
        pytest.skip("its tunnels do not move")


@pytest.fixture
def proxy(tmp_path: Path, upstream: Upstream) -> Iterator[Controlled]:
    """One of two workers, at a port and at a Unix socket."""
    text = config(upstream.address, listen=("127.0.0.1:0", f"unix:{tmp_path}/door"))
    with Controlled(tmp_path, text, workers=2) as running:
        yield running


@pytest.fixture(params=["port", "path"])
def door(request: pytest.FixtureRequest, proxy: Controlled, tmp_path: Path) -> str:
    return proxy.address if request.param == "port" else f"unix:{tmp_path}/door"


def upgrading(proxy: Controlled) -> AbstractContextManager[Future[object]]:
    """Begin an upgrade, whose answer comes when all has moved that can."""
    return meanwhile(proxy.ask, "upgrade")


def is_served(address: str | Controlled, upstream: Upstream) -> None:
    """A tunnel opens, and a message goes through."""
    with tunnel(address, upstream) as (client, server):
        client.send_text("hello")
        assert server.read_message() == b"hello"


# -- what is under way --------------------------------------------------------------------------


@moves
def test_what_is_queued_for_slow_readers_moves_too(
    proxy: Controlled, upstream: Upstream, door: str
) -> None:
    with tunnel(door, upstream, small=True) as (client, server):
        sent = []
        for source in (server, client):
            message = source.frame(BINARY, os.urandom(50_000))
            size = source.flood(message)
            sent.append((message * (size // len(message) + 1))[:size])
        assert proxy.ask("upgrade")["left"] == 0
        for sink, data in zip((client, server), sent, strict=True):
            assert sink.read(len(data)) == data


@pytest.mark.parametrize("begun", [0, 30])
def test_a_connection_that_was_accepted_before_becomes_a_tunnel(
    proxy: Controlled, upstream: Upstream, door: str, begun: int, driver: str
) -> None:
    """It has sent nothing yet, or half of its head."""
    is_served(door, upstream)
    with connect(door) as client:
        client.send(request()[:begun])
        with upgrading(proxy) as upgraded:
            proxy.event("upgraded")
            client.send(request()[begun:])
            with upstream.accept() as server:
                server.read_head()
                server.send(switching())
                assert client.read_head().status == 101
                assert upgraded.result(PATIENCE)["left"] == (driver == "transport")  # type: ignore[index]
                client.send_text("up")
                assert server.read_message() == b"up"


def test_a_handshake_that_the_upstream_has_not_answered_becomes_a_tunnel(
    proxy: Controlled, upstream: Upstream, driver: str
) -> None:
    with connect(proxy) as client:
        client.send(request())
        with upstream.accept() as server, upgrading(proxy) as upgraded:
            server.read_head()
            proxy.event("upgraded")
            server.send(switching() + server.frame(BINARY, b"first"))
            assert client.read_head().status == 101
            assert client.read_message() == b"first"
            assert upgraded.result(PATIENCE)["left"] == (driver == "transport")  # type: ignore[index]


def test_a_plain_request_is_answered_whole(proxy: Controlled, upstream: Upstream) -> None:
    with connect(proxy) as client:
        client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        with upstream.accept() as server, upgrading(proxy):
            server.read_head()
            server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            head = client.read_head()
            proxy.event("upgraded")
            server.send(b"world")
            assert client.read_body(head) == b"helloworld"
            client.expect_end()


def test_a_tunnel_of_which_half_has_ended_ends_where_it_is(
    proxy: Controlled, upstream: Upstream
) -> None:
    with tunnel(proxy, upstream) as (client, server):
        client.half_close()
        assert server.read_to_end() == []
        assert proxy.ask("upgrade")["left"] == 1
        is_served(proxy, upstream)
        server.send_text("last words")
        server.close()
        assert client.read_message() == b"last words"
        client.expect_end()
        proxy.event("tunnel_closed", ended_by="client_lost")


# -- who dies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["at once", "when it has begun"])
def test_the_old_process_goes_on_when_the_new_one_is_killed(
    proxy: Controlled, upstream: Upstream, door: str, when: str
) -> None:
    pid = proxy.pid
    with tunnel(door, upstream) as (client, server):
        for _ in range(2):
            with held_up(proxy, proxy.refuse) as new:
                if when == "when it has begun":
                    proxy.signal(signal.SIGSTOP)  # it waits for an answer then, with its workers
                    new.proceed()
                    assert until(lambda pid=new.pid: children(pid))
                os.kill(new.pid, signal.SIGKILL)
                proxy.signal(signal.SIGCONT)
                assert "the new process ended before it began" in new.answer.result(PATIENCE)  # type: ignore[operator]
            assert proxy.ask("status")["pid"] == pid
            client.send_text("still here")
            assert server.read_message() == b"still here"
            for _ in range(4):
                is_served(door, upstream)
        proxy.ask("upgrade")
        is_served(door, upstream)
    proxy.forgive("upgrade_failed")


def accepted(proxy: Controlled, count: int) -> bool:
    """Whether so many connections are under way."""
    return until(lambda: proxy.ask("status")["totals"]["connections"] == count)


def test_the_old_process_goes_on_when_the_new_one_is_killed_before_it_has_all(
    proxy: Controlled, upstream: Upstream, door: str
) -> None:
    with tunnel(door, upstream) as (client, server), connect(door) as late:
        late.send(request()[:30])
        assert accepted(proxy, 2)
        with meanwhile(proxy.refuse, "upgrade") as refused:
            victim = proxy.event("upgraded")["pid"]
            orphans = children(victim)
            os.kill(victim, signal.SIGKILL)
            assert "the new process ended before it had all tunnels" in refused.result(PATIENCE)
        assert proxy.ask("status")["pid"] == proxy.pid
        late.send(request()[30:])
        opened(late, upstream).close()
        client.send_text("still here")
        assert server.read_message() == b"still here"
    # They accept no more, but one that was accepted before they knew would be turned away.
    assert until(lambda: not any(map(runs, orphans)))
    for _ in range(4):
        is_served(door, upstream)
        assert is_kept(door, upstream)
    proxy.ask("upgrade")
    is_served(door, upstream)
    proxy.forgive("upgrade_failed", "tunnels_stay")


def opened(client: Wire, upstream: Upstream) -> Wire:
    """The upstream's side of the tunnel that a client has asked for."""
    server = upstream.accept()
    server.read_head()
    server.send(switching())
    assert client.read_head().status == 101
    return server


@moves
def test_what_a_new_process_has_when_it_is_killed_comes_back(
    proxy: Controlled, upstream: Upstream, door: str
) -> None:
    """Tunnels that moved, those that opened there, and who has not asked for one yet."""
    with ExitStack() as stack:
        tunnels = [stack.enter_context(tunnel(door, upstream)) for _ in range(40)]
        keeping = stack.enter_context(connect(door))
        keeping.send(request()[:30])
        assert accepted(proxy, 41)
        with meanwhile(proxy.refuse, "upgrade") as refused:
            victim = proxy.event("upgraded")["pid"]
            assert until(lambda: sum(proxy.loads) == 40)
            waiting = stack.enter_context(connect(door))
            tunnels += [stack.enter_context(tunnel(door, upstream)) for _ in range(4)]
            assert until(lambda: sum(proxy.loads) == 44)
            orphans = children(victim)
            os.kill(victim, signal.SIGKILL)
            assert "the new process ended before it had all tunnels" in refused.result(PATIENCE)
        assert until(lambda: sum(proxy.loads) == 44)
        for late, rest in ((keeping, request()[30:]), (waiting, request())):
            late.send(rest)
            tunnels.append((late, stack.enter_context(opened(late, upstream))))
        for client, server in tunnels:
            client.send_text("up")
            assert server.read_message() == b"up"
            server.send_text("down")
            assert client.read_message() == b"down"
        assert until(lambda: not any(map(runs, orphans)))
        assert until(lambda: sum(proxy.loads) == 46)
        assert not proxy.matching("tunnel_closed")
    assert until(lambda: len(proxy.matching("tunnel_closed")) == 46)
    proxy.forgive("upgrade_failed", "tunnels_stay")


@moves
def test_the_new_process_goes_on_when_the_old_one_is_killed(
    proxy: Controlled, upstream: Upstream, door: str
) -> None:
    with ExitStack() as stack:
        tunnels = [stack.enter_context(tunnel(door, upstream)) for _ in range(4)]
        late = stack.enter_context(connect(door))
        late.send(request()[:30])
        assert accepted(proxy, 5)
        with meanwhile(proxy.refuse, "upgrade") as refused:
            proxy.event("upgraded")
            assert until(lambda: sum(proxy.loads) == 4)
            orphans = children(proxy.pid)
            proxy.signal(signal.SIGKILL)
            assert "ended before it had done that" in refused.result(PATIENCE)
        late.send(request()[30:])
        tunnels.append((late, stack.enter_context(opened(late, upstream))))
        assert until(lambda: sum(proxy.loads) == 5)
        for client, server in tunnels:
            client.send_text("still here")
            assert server.read_message() == b"still here"
        assert not proxy.matching("tunnel_closed")
        # One of the children is the new process.
        assert until(lambda: sum(map(runs, orphans)) == 1)
        is_served(door, upstream)
    proxy.expect_status(-signal.SIGKILL)


def is_kept(door: str, upstream: Upstream) -> bool:
    """Whether a plain request may be followed by another."""
    with connect(door) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with upstream.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            return client.read_head().all("Connection") != ["close"]


def test_both_processes_end_when_they_are_told_to_while_tunnels_move(
    proxy: Controlled, door: str
) -> None:
    with connect(door) as late:
        late.send(request()[:30])
        assert accepted(proxy, 1)
        with upgrading(proxy):
            proxy.event("upgraded")
            proxy.say("stop")
            late.close()
    assert proxy.process.wait(PATIENCE) == 0
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        connect(door)
