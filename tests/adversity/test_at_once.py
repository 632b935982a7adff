"""Commands and signals that come while the proxy is about something else."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

import pytest
from support.control import Controlled, config
from support.processes import held_up
from support.raw import Upstream, connect, handshake, meanwhile, request, tunnel
from support.waiting import PATIENCE, until

from fastws.errors import FastwsError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from support.certificates import Certificates
    from support.raw import Wire

MORE = """
workers = 1
drain = {spread = "100ms"}
"""
# How long an upgrade waits at most for who was accepted before it.
BRIEF = 'timeouts = {connect = "1s", handshake = "1s"}'


@pytest.fixture
def proxy(tmp_path: Path, upstream: Upstream) -> Iterator[Controlled]:
    text = config(upstream.address, more=MORE + BRIEF)
    with Controlled(tmp_path, text, workers=0) as running:
        yield running


def talk(client: Wire, server: Wire) -> None:
    client.send_text("up")
    assert server.read_message() == b"up"
    server.send_text("down")
    assert client.read_message() == b"down"


def attempt(proxy: Controlled, command: str, **arguments: object) -> str:
    """What keeps a command from being carried out; nothing if it was."""
    try:
        proxy.ask(command, **arguments)
    except FastwsError as fault:
        return str(fault)
    return ""


def accepted(proxy: Controlled, count: int) -> bool:
    """Whether so many connections are under way."""
    return until(lambda: proxy.ask("status")["totals"]["connections"] == count)


# -- while another process begins -----------------------------------------------------------------


def test_who_asks_the_old_process_for_more_is_told_of_the_new_one(proxy: Controlled) -> None:
    with held_up(proxy, proxy.ask) as new:
        for number in (signal.SIGHUP, signal.SIGUSR2):
            proxy.signal(number)
        new.proceed()
        new.answer.result(PATIENCE)
    fault = f"process {new.pid} goes on in the place of this one"
    for event in ("reload_failed", "upgrade_failed"):
        proxy.event(event, message=fault)
        proxy.forgive(event)


def test_what_waits_for_an_upgrade_that_fails_is_done_then(
    proxy: Controlled, upstream: Upstream
) -> None:
    with tunnel(proxy, upstream) as pair:
        with held_up(proxy, lambda _: attempt(proxy, "upgrade")) as new:
            proxy.signal(signal.SIGHUP)
            os.kill(new.pid, signal.SIGKILL)
            assert "the new process ended before it began" in str(new.answer.result(PATIENCE))
        proxy.event("reloaded")
        talk(*pair)
    proxy.forgive("upgrade_failed")


def test_a_stop_ends_the_new_process_too(proxy: Controlled, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (client, server):
        with held_up(proxy, lambda _: attempt(proxy, "upgrade")) as new:
            proxy.signal(signal.SIGTERM)
            assert closed(client, server) == (1001, "shutting down")
            assert new.answer.result(PATIENCE)
    assert proxy.wait() == 0


def test_a_worker_is_drained_once(proxy: Controlled) -> None:
    """Two ask for it while something else is done."""
    number = number_of(proxy)
    with held_up(proxy, lambda _: attempt(proxy, "upgrade")) as new:
        with (
            meanwhile(attempt, proxy, "drain", target=number) as one,
            meanwhile(attempt, proxy, "drain", target=number) as other,
        ):
            assert until(lambda: proxy.ask("status")["workers"])
            os.kill(new.pid, signal.SIGKILL)
            faults = sorted(str(each.result(PATIENCE)) for each in (one, other))
    assert faults[0] == ""
    assert faults[1] in (
        f"worker {number} is about to end",
        f"there is no server, listener or worker {number}",  # it came late
    )
    workers = proxy.ask("status")["workers"]
    assert [each["state"] for each in workers] == ["serving"]
    proxy.forgive("upgrade_failed")


# -- while tunnels move ---------------------------------------------------------------------------


def test_the_next_upgrade_waits_until_all_have_come(proxy: Controlled, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as pair, connect(proxy) as late:
        late.send(request()[:30])
        assert accepted(proxy, 2)
        with meanwhile(proxy.ask, "upgrade") as first:
            pid = proxy.event("upgraded")["pid"]
            assert until(lambda: proxy.ask("status")["pid"] == pid)
            second = proxy.ask("upgrade")
            assert first.result(PATIENCE)["pid"] == pid  # type: ignore[index]
        assert proxy.process.wait(PATIENCE) == 0
        assert proxy.ask("status")["pid"] == second["pid"]
        assert [event["pid"] for event in proxy.matching("upgraded")] == [pid, second["pid"]]
        if proxy.driver == "transport":  # whose tunnels do not move
            assert pair[0].read_close() == (1012, "service restart")
        else:
            talk(*pair)


@pytest.mark.parametrize("told", ["old", "new"])
def test_what_cannot_move_is_closed_when_either_process_is_told_to_stop(
    tmp_path: Path, upstream: Upstream, certificates: Certificates, told: str
) -> None:
    text = config(upstream.address, listen=("wss://127.0.0.1:0",), more="workers = 1")
    context = certificates.client()
    with (
        Controlled(tmp_path, text, workers=0, flags=certificates.flags) as proxy,
        over_tls(proxy, context) as client,
        handshake(client, upstream) as server,
        connect(proxy.address) as late,
    ):
        late.send(b"\x16\x03\x01")
        assert accepted(proxy, 2)
        with meanwhile(proxy.ask, "upgrade") as upgraded:
            new = proxy.event("upgraded")["pid"]
            os.kill(proxy.pid if told == "old" else new, signal.SIGTERM)
            assert closed(client, server) == (1001, "shutting down")
            late.close()
            assert upgraded.result(PATIENCE)["pid"] == new  # type: ignore[index]
        assert proxy.process.wait(PATIENCE) == 0
        if told == "old":
            with over_tls(proxy, context) as another, handshake(another, upstream) as peer:
                talk(another, peer)


def over_tls(proxy: Controlled, context: ssl.SSLContext) -> Wire:
    client = connect(proxy.address)
    client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
    return client


# -- while tunnels are drained --------------------------------------------------------------------


@pytest.mark.parametrize("command", ["upgrade", "drain"])
def test_what_is_about_to_be_drained_moves_nowhere(
    proxy: Controlled, upstream: Upstream, command: str
) -> None:
    """It is closed where it is, when its worker ends."""
    arguments = {"target": number_of(proxy), "move": True} if command == "drain" else {}
    with tunnel(proxy, upstream) as one, tunnel(proxy, upstream) as other:
        pairs = {pair[0].sock: pair for pair in (one, other)}
        with meanwhile(proxy.ask, "drain", rate=1e-3, jitter=0) as drained:
            (told,), _, _ = select.select(pairs, (), (), PATIENCE)
            assert closed(*pairs.pop(told)) == (1012, "drained")
            (waiting,) = pairs.values()
            with tunnel(proxy, upstream) as later:
                with meanwhile(proxy.ask, command, **arguments):
                    assert closed(*waiting)[0] == 1012
                    if proxy.driver == "transport":  # whose tunnels do not move
                        assert closed(*later)[0] == 1012
                if proxy.driver != "transport":
                    talk(*later)
            drained.result(PATIENCE)


def number_of(proxy: Controlled) -> str:
    """The only worker."""
    (worker,) = proxy.ask("status")["workers"]
    return str(worker["worker"])


def closed(client: Wire, server: Wire) -> tuple[int | None, str]:
    """With what code and reason both are told to close; they answer."""
    said = client.read_close()
    assert server.read_close() == said
    for wire in (client, server):
        wire.send_close(said[0])
    return said
