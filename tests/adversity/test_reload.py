"""Another configuration, while tunnels are open and requests come."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.certificates import issue
from support.control import Controlled, config
from support.raw import Upstream, connect, handshake, request, tunnel
from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def second() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


def test_a_tunnel_stays_where_it_is_and_new_ones_go_elsewhere(
    tmp_path: Path, upstream: Upstream, second: Upstream
) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        with tunnel(proxy, upstream) as (client, server):
            changes = proxy.reload(config(second.address)).splitlines()
            assert f"server ws://{upstream.address} of upstream u: removed" in changes
            assert f"server ws://{second.address} of upstream u: added" in changes
            client.send_text("still here")
            assert server.read_message() == b"still here"
            for _ in range(4):
                with tunnel(proxy, second):
                    pass
            upstream.expect_nobody()
        proxy.event("tunnel_closed", upstream=upstream.address)
        proxy.event("reloaded")


def test_a_signal_does_it_too(tmp_path: Path, upstream: Upstream, second: Upstream) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        proxy.file.write_text(config(second.address))
        proxy.signal(signal.SIGHUP)
        proxy.event("reloaded")
        with tunnel(proxy, second):
            pass


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1", "fastws.toml: x: unknown key"),
        ("workers = ", "fastws.toml: is not TOML"),
        ('listeners = ["192.0.2.1:1"]', "cannot listen on ws://192.0.2.1:1"),
    ],
)
def test_a_mistake_changes_nothing(
    tmp_path: Path, upstream: Upstream, text: str, fault: str
) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        good = proxy.file.read_text()
        proxy.file.write_text(f"{text}\n" + good.replace("listeners", "timeouts.head = 1 #", 1))
        assert fault in proxy.refuse("reload")
        with tunnel(proxy, upstream):
            pass
        proxy.file.write_text(good)
        assert proxy.say("reload") == "nothing changed"
        proxy.forgive("reload_failed")


def test_what_a_worker_cannot_do_changes_nothing_in_any(
    tmp_path: Path,
    upstream: Upstream,
    certificates,  # noqa: ANN001
) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        broken = tmp_path / "broken.pem"
        broken.write_bytes(certificates.certificate.read_bytes())
        good = proxy.file.read_text()
        table = f'[[listeners]]\naddress = "wss://127.0.0.1:0"\ntls_cert = "{broken}"\n'
        table += f'tls_key = "{certificates.key}"\n'
        broken.write_text("no certificate")
        proxy.file.write_text(good.replace(good.splitlines()[0], table))
        assert "PEM" in proxy.refuse("reload")
        with tunnel(proxy, upstream):
            pass
        proxy.forgive("reload_failed")


def test_certificates_are_read_again(tmp_path: Path, upstream: Upstream) -> None:
    def renew(folder: str) -> bytes:
        made = issue(tmp_path / folder)
        cert.write_bytes(made.certificate.read_bytes())
        key.write_bytes(made.key.read_bytes())
        return ssl.PEM_cert_to_DER_cert(made.certificate.read_text())

    def shown() -> bytes | None:
        with socket.create_connection((host, int(port)), PATIENCE) as plain:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as secret:
                return secret.getpeercert(binary_form=True)

    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    first = renew("first")
    text = config(upstream.address, listen=())
    table = f'[[listeners]]\naddress = "wss://127.0.0.1:0"\ntls_cert = "{cert}"\n'
    table += f'tls_key = "{key}"\n'
    with Controlled(tmp_path, text.replace("listeners = []\n", table), workers=2) as proxy:
        host, _, port = proxy.address.rpartition(":")
        assert shown() == first
        second = renew("second")
        proxy.say("reload")
        assert {shown() for _ in range(8)} == {second}
        key.write_text("no key")
        assert "PEM" in proxy.refuse("reload")
        assert shown() == second
        proxy.forgive("reload_failed")


def test_listeners_come_and_go(tmp_path: Path, upstream: Upstream) -> None:
    path = tmp_path / "more.sock"
    both = ("127.0.0.1:0", f"unix:{path}")
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        assert proxy.reload(config(upstream.address, listen=both)) == (
            f"listener unix:{path}: added"
        )
        with tunnel(f"unix:{path}", upstream) as (client, server):
            assert proxy.reload(config(upstream.address)) == f"listener unix:{path}: removed"
            assert not path.exists()
            with pytest.raises(OSError, match="No such file"):
                connect(f"unix:{path}")
            client.send_text("still here")
            assert server.read_message() == b"still here"
        with tunnel(proxy, upstream):
            pass


@pytest.mark.parametrize("tls", [True, False])
def test_who_waits_at_a_listener_that_is_removed_is_served(
    tmp_path: Path,
    upstream: Upstream,
    certificates,  # noqa: ANN001
    *,
    tls: bool,
) -> None:
    second = "wss://127.0.0.1:0" if tls else "127.0.0.2:0"
    text = config(upstream.address, listen=("127.0.0.1:0", second))
    with (
        Controlled(tmp_path, text, workers=1, flags=certificates.flags if tls else ()) as proxy,
        ExitStack() as stack,
    ):
        address = proxy.addresses[1].rpartition("://")[2]
        (worker,) = proxy.worker_pids
        proxy.file.write_text(config(upstream.address).replace("[[", "timeouts.head = 9\n[[", 1))
        if tls:
            proxy.file.write_text(f"{text}".replace(f', "{second}"', ', "wss://127.0.0.2:0"'))
        os.kill(worker, signal.SIGSTOP)
        proxy.signal(signal.SIGHUP)
        waiting = [stack.enter_context(connect(address)) for _ in range(20)]
        os.kill(worker, signal.SIGCONT)
        proxy.event("reloaded")
        with pytest.raises(ConnectionRefusedError):
            connect(address)
        for client in waiting:
            if tls:
                context = certificates.client()
                client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
            handshake(client, upstream).close()


def test_what_is_counted_of_a_server_outlives_it(tmp_path: Path, upstream: Upstream) -> None:
    table = f'servers = [{{address = "{upstream.address}", max_conns = 2}}]'
    text = config(upstream.address)
    text = text.replace(text.splitlines()[-1], table)
    with (
        Controlled(tmp_path, text, workers=2) as proxy,
        tunnel(proxy, upstream),
        tunnel(proxy, upstream),
    ):
        proxy.reload(text + "[timeouts]\nhead = 3\n")
        with connect(proxy) as client:
            client.send(request())
            assert client.read_head().status == 502
        (server,) = proxy.status()["servers"]
        assert (server["connections"], server["state"]) == (2, "full")


def test_fifty_reloads_under_load_lose_nothing(
    tmp_path: Path, upstream: Upstream, second: Upstream
) -> None:
    """Messages with numbers go both ways all the time; listeners and servers come and go."""
    path = tmp_path / "more.sock"
    texts = (
        config(upstream.address),
        config(upstream.address, second.address, listen=("127.0.0.1:0", f"unix:{path}")),
    )
    over = threading.Event()
    faults: list[BaseException] = []

    def talk(client, server) -> None:  # noqa: ANN001
        number = 0
        try:
            while not over.is_set() or number < 20:
                text = f"{number} " + "x" * (number * 997 % 70_000)
                client.send_text(text)
                assert server.read_message() == text.encode()
                server.send_text(text)
                assert client.read_message() == text.encode()
                number += 1
        except BaseException as fault:  # noqa: BLE001
            faults.append(fault)

    with Controlled(tmp_path, texts[0], workers=2) as proxy, ExitStack() as stack:
        tunnels = [stack.enter_context(tunnel(proxy, upstream)) for _ in range(20)]
        talking = [threading.Thread(target=talk, args=each) for each in tunnels]
        for thread in talking:
            thread.start()
        before = proxy.descriptors
        for number in range(50):
            proxy.file.write_text(texts[(number + 1) % 2])
            proxy.signal(signal.SIGHUP)
            assert until(lambda number=number: len(proxy.matching("reloaded")) > number)
        over.set()
        for thread in talking:
            thread.join()
        assert not faults
        assert not proxy.matching("tunnel_closed")
        assert proxy.settled(before)


def test_signals_that_pile_up_do_no_harm(tmp_path: Path, upstream: Upstream) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=2) as proxy:
        before = proxy.descriptors
        for _ in range(50):
            proxy.signal(signal.SIGHUP)
        assert proxy.say("reload") == "nothing changed"
        with tunnel(proxy, upstream):
            pass
        assert proxy.settled(before)


def test_reloads_leave_no_memory_behind(tmp_path: Path, upstream: Upstream) -> None:
    with Controlled(tmp_path, config(upstream.address), workers=1) as proxy:

        def reload(times: int) -> int:
            done = len(proxy.matching("reloaded"))
            for number in range(times):
                proxy.signal(signal.SIGHUP)
                assert until(lambda number=number: len(proxy.matching("reloaded")) > done + number)
            return proxy.rss

        before = reload(30)
        assert reload(100) - before < 3 << 20
