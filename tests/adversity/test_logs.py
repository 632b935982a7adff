"""A log line is one line, whatever peers write into it."""

from __future__ import annotations

import json

import pytest
from support.proxy import Proxy
from support.raw import Upstream, Wire, connect, request, switching, tunnel
from support.waiting import until

EVIL = 'bye\n{"event": "fake"}\r\x1b[31m "quoted" \\ \u2028 \x7f \x85 grüße'
TARGET = '/chat?q="quoted"&b=\\&c=%0a%1b[31m'


def stderr_of(proxy: Proxy) -> str:
    """All that was logged, in either format."""
    return "\n".join(proxy.stray + [json.dumps(event) for event in proxy.events])


def visit(proxy: Proxy, upstream: Upstream) -> int:
    """A tunnel whose target, headers and close reason try to write the log themselves."""
    with connect(proxy) as client:
        client.send(request(TARGET, 'User-Agent: "a\\b"\t\xff', 'Origin: https://"\\.example'))
        with upstream.accept() as server:
            server.read_head()
            server.send(switching())
            assert client.read_head().status == 101
            client.send_close(4000, EVIL)
            assert server.read_close() == (4000, EVIL)
            server.send_close(4000)
            client.read_close()
        return client.port


def test_json_records_carry_evil_strings_as_data(proxy: Proxy, upstream: Upstream) -> None:
    port = visit(proxy, upstream)
    record = proxy.event("tunnel_closed", port=port)
    assert record["code"] == 4000
    assert record["reason"].startswith("bye")
    assert proxy.matching("fake") == []
    assert proxy.stray == []


def test_text_lines_carry_no_control_bytes(upstream: Upstream) -> None:
    with Proxy(upstream, log_format="text") as proxy:
        visit(proxy, upstream)
        with connect(proxy) as client:
            client.send(request("/\x1b[31m\x07"))
            assert client.read_head().status == 400
        with connect(proxy) as client:
            client.send(request("/chat", "X-A\x1b: one"))
            assert client.read_head().status == 400
        assert until(lambda: len(proxy.stray) >= 4)
    for line in proxy.stray:
        assert line.isprintable(), line
        assert line.isascii(), line
        assert not line.startswith("{"), line
    assert sum("fake" in line for line in proxy.stray) == 1


@pytest.mark.parametrize("end", [Wire.close, Wire.reset])
def test_every_tunnel_has_one_opening_and_one_closing_record(
    proxy: Proxy, upstream: Upstream, end: object
) -> None:
    ports = []
    for _ in range(20):
        with tunnel(proxy, upstream) as (client, server):
            ports.append(client.port)
            end(server)  # type: ignore[operator]
            end(client)  # type: ignore[operator]
    for port in ports:
        closed = proxy.event("tunnel_closed", port=port)
        assert len(proxy.matching("tunnel_opened", id=closed["id"])) == 1
        assert len(proxy.matching("tunnel_closed", id=closed["id"])) == 1
        assert closed["upstream"]


def test_log_level_is_obeyed(upstream: Upstream) -> None:
    with Proxy(upstream, flags=("--log-level", "error")) as proxy:
        with tunnel(proxy, upstream):
            pass
        assert proxy.stop() == 0
        assert proxy.events == []


def test_a_client_that_goes_away_before_the_answer_is_logged(
    proxy: Proxy, upstream: Upstream
) -> None:
    with connect(proxy) as client:
        client.send(request("/slow"))
        with upstream.accept() as server:
            server.read_head()
            port = client.port
            client.close()
            server.read_to_end()
    refused = proxy.event("handshake_refused", port=port)
    assert (refused["status"], refused["target"]) == (499, "/slow")
