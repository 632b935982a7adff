from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from fastws.observe.metrics import render

STATUS: dict[str, Any] = {
    "totals": {
        "accepted": 9,
        "tls_failed": 2,
        "requests": 12,
        "opened": 8,
        "bytes_in": 1,
        "bytes_out": 2,
        "messages_in": 3,
        "messages_out": 4,
        "answers": {404: 5},
        "ended": {"client": 6, "drain": 1},
    },
    "workers": [{"worker": 0, "driver": "uring", "connections": 7, "tunnels": 6}],
    "servers": [
        {"upstream": "u", "address": "a:1", "state": "up", "connections": 2, "served": 3},
        {"upstream": "u", "address": 'b"\n', "state": "drained", "connections": 0, "served": 1},
    ],
}


def samples(status: dict[str, Any]) -> dict[tuple[str, str], float]:
    """The values by name and labels, as Prometheus reads them."""
    text = render(status).decode()
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything_is_told() -> None:
    found = samples(STATUS)
    assert found["fastws_connections_accepted_total", ""] == 9
    assert found["fastws_tls_failures_total", ""] == 2
    assert found["fastws_tunnels_opened_total", ""] == 8
    assert found["fastws_tunnel_bytes_total", "out"] == 2
    assert found["fastws_tunnel_messages_total", "in"] == 3
    assert found["fastws_answers_total", "404"] == 5
    assert found["fastws_tunnels_ended_total", "drain"] == 1
    assert found["fastws_connections", "0"] == 7
    assert found["fastws_worker", "uring,0"] == 1
    assert found["fastws_server_up", "a:1,u"] == 1
    assert found["fastws_server_connections_made_total", "a:1,u"] == 3


def test_labels_are_escaped() -> None:
    assert samples(STATUS)["fastws_server_up", 'b"\n,u'] == 0
