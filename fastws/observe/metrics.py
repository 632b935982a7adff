"""The status of a proxy as Prometheus wants it."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_COUNTERS = {
    "accepted": ("fastws_connections_accepted", "Connections of clients."),
    "tls_failed": (
        "fastws_tls_failures",
        "Connections of clients on which TLS was not agreed on.",
    ),
    "requests": ("fastws_requests", "Requests that clients began, handshakes included."),
    "opened": ("fastws_tunnels_opened", "Tunnels that were opened."),
}
_TRAFFIC = {
    "bytes": ("fastws_tunnel_bytes", "Bytes of frames that went through tunnels."),
    "messages": ("fastws_tunnel_messages", "Messages that went through tunnels."),
}


def render(status: dict[str, Any]) -> bytes:
    """Return the text of what `fastws status --json` tells."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Status(status))
    text: bytes = generate_latest(registry)
    return text


class _Status(Collector):
    def __init__(self, status: dict[str, Any]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        yield from self._totals(self._status["totals"])
        yield from self._workers(self._status["workers"])
        yield from self._servers(self._status["servers"])

    def _totals(self, totals: dict[str, Any]) -> Iterator[Metric]:
        for key, (name, text) in _COUNTERS.items():
            yield CounterMetricFamily(name, text, value=totals[key])
        for key, (name, text) in _TRAFFIC.items():
            family = CounterMetricFamily(name, text, labels=["direction"])
            for direction in ("in", "out"):
                family.add_metric([direction], totals[f"{key}_{direction}"])
            yield family
        yield _labelled(
            "fastws_answers", "Answers that opened no tunnel.", "status", totals["answers"]
        )
        yield _labelled("fastws_tunnels_ended", "Tunnels by how they ended.", "by", totals["ended"])

    def _workers(self, workers: list[dict[str, Any]]) -> Iterator[Metric]:
        for key, text in (("connections", "Open connections."), ("tunnels", "Open tunnels.")):
            family = GaugeMetricFamily(f"fastws_{key}", text, labels=["worker"])
            for each in workers:
                family.add_metric([str(each["worker"])], each[key])
            yield family
        info = GaugeMetricFamily(
            "fastws_worker", "A worker and its driver.", labels=["worker", "driver"]
        )
        for each in workers:
            info.add_metric([str(each["worker"]), each["driver"]], 1)
        yield info

    def _servers(self, servers: list[dict[str, Any]]) -> Iterator[Metric]:
        labels = ["upstream", "server"]
        up = GaugeMetricFamily("fastws_server_up", "Whether it gets connections.", labels=labels)
        now = GaugeMetricFamily(
            "fastws_server_connections", "Connections under way or open.", labels=labels
        )
        served = CounterMetricFamily(
            "fastws_server_connections_made", "Connections so far.", labels=labels
        )
        for each in servers:
            values = [each["upstream"], each["address"]]
            up.add_metric(values, each["state"] in ("up", "full"))
            now.add_metric(values, each["connections"])
            served.add_metric(values, each["served"])
        yield from (up, now, served)


def _labelled(name: str, text: str, label: str, counts: dict[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([str(value)], count)
    return family
