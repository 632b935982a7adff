"""Access logs: whole lines from several workers, new files, tunnels that move, full disks."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from support.control import Controlled
from support.nginx import free_ports
from support.raw import connect, handshake, request, switching
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.raw import Upstream

CONFIG = """
worker_processes 2;
events {{ }}
http {{
    log_format line '$remote_addr $request_uri $status $bytes_sent $upstream_addr';
    server {{
        listen 127.0.0.1:{port};
        access_log {file} line;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        location / {{ proxy_pass http://{upstream}; }}
        location /text {{ return 200 "text"; }}
        location /status {{ stub_status; access_log off; }}
    }}
}}
"""


@pytest.fixture
def proxy(tmp_path: Path, upstream: Upstream, driver: str) -> Iterator[Controlled]:
    (port,) = free_ports(1)
    text = CONFIG.format(port=port, file=tmp_path / "access.log", upstream=upstream.address)
    with Controlled(tmp_path, text, workers=2, driver=driver) as running:
        yield running


def get(proxy: Controlled, target: str, *headers: str) -> bytes:
    with connect(proxy) as client:
        lines = [f"GET {target} HTTP/1.1", "Host: a", "Connection: close", *headers, "", ""]
        client.send("\r\n".join(lines).encode())
        return client.read_all()


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_a_moved_file_is_made_again(proxy: Controlled, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    get(proxy, "/text/1")
    assert until(lambda: len(lines(file)) == 1)
    file.rename(tmp_path / "old.log")
    proxy.signal(signal.SIGUSR1)
    assert until(lambda: proxy.writes(file))
    get(proxy, "/text/2")
    assert until(lambda: len(lines(file)) == 1)
    file.rename(tmp_path / "older.log")
    proxy.say("reload")
    get(proxy, "/text/3")
    assert until(lambda: len(lines(file)) == 1)
    assert [" ".join(line.split()[:3]) for line in lines(file)] == ["127.0.0.1 /text/3 200"]


def test_a_tunnel_that_moves_keeps_its_line(
    proxy: Controlled, tmp_path: Path, upstream: Upstream, driver: str
) -> None:
    with connect(proxy) as client:
        client.send(request("/ws", "X-Real-IP: 192.0.2.7"))
        with upstream.accept() as server:
            server.read_head()
            server.send(switching())
            client.read_head()
            server.send(server.frame(1, b"hello"))
            client.read_frame()
            if driver != "transport":  # whose tunnels do not move
                for worker in proxy.status()["workers"]:
                    proxy.say("drain", worker["worker"], "--move")
            server.send(server.frame(1, b"again"))
            client.read_frame()
            assert lines(tmp_path / "access.log") == []
            client.send_close(1000)
            server.read_close()
            server.send_close(1000)
            client.read_close()
        closed = proxy.event("tunnel_closed")
        assert closed["client"] == "192.0.2.7"
        assert closed["via"].startswith("127.0.0.1:")
        assert until(lambda: lines(tmp_path / "access.log"))
    (line,) = lines(tmp_path / "access.log")
    address, target, status, sent, peer = line.split()
    assert (address, target, status, peer) == ("192.0.2.7", "/ws", "101", upstream.address)
    assert int(sent) > 2 * 7 + 4  # and the head


def test_stub_status_counts_all_workers(
    proxy: Controlled, tmp_path: Path, upstream: Upstream
) -> None:
    accepted = 2

    def is_right() -> bool:
        """It may take a moment until a client that was answered counts as one that waits."""
        nonlocal accepted
        accepted += 1
        head, _, body = get(proxy, "/status").partition(b"\r\n\r\n")
        assert b"Content-Type: text/plain\r\n" in head
        return body == (
            b"Active connections: 3 \nserver accepts handled requests\n %d %d %d \n"
            b"Reading: 0 Writing: 2 Waiting: 1 \n"
        ) % (accepted, accepted, accepted)

    with connect(proxy) as waiting, connect(proxy) as client, handshake(client, upstream):
        waiting.send(b"GET /text HTTP/1.1\r\nHost: a\r\n\r\n")
        waiting.read_body(waiting.read_head())
        assert until(is_right)
    file = tmp_path / "access.log"
    assert until(lambda: lines(file))
    assert not any("/status" in line for line in lines(file))
