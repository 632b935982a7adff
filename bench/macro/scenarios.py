"""What the proxies are made to do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """One mode of wsload with its numbers; a unit is what the figures are counted per."""

    name: str
    title: str
    mode: str
    connections: int
    size: int = 64
    in_flight: int = 1
    rate: int = 1000  # of the open loop, per second
    unit: str = "message"
    headline: str = "cpu_us"  # the figure by which contenders are compared first

    @property
    def needs_proxy(self) -> bool:
        """Whether the scenario says nothing without a proxy."""
        return self.mode == "idle"

    def arguments(self) -> list[str]:
        """Give the arguments of wsload."""
        return [
            self.mode,
            *("--connections", str(self.connections)),
            *("--size", str(self.size)),
            *("--in-flight", str(self.in_flight)),
            *("--rate", str(self.rate)),
        ]


SCENARIOS = (
    Scenario("echo-64", "64 connections, 64 B echo", "load", connections=64),
    Scenario("echo-512", "512 connections, 64 B echo", "load", connections=512),
    Scenario(
        "echo-64x16",
        "64 connections, 16 in flight on each, 64 B echo",
        "load",
        connections=64,
        in_flight=16,
    ),
    Scenario(
        "push", "16 connections, 125 B pushed without a pause", "push", connections=16, size=125
    ),
    Scenario("fanout", "200 connections, 125 B tick to each", "fanout", connections=200, size=125),
    Scenario("echo-64k", "64 connections, 64 KiB echo", "load", connections=64, size=65536),
    Scenario("echo-1m", "16 connections, 1 MiB echo", "load", connections=16, size=1 << 20),
    Scenario(
        "open",
        "200 connections, 10,000 messages/s, 64 B echo",
        "open",
        connections=200,
        in_flight=1024,  # at most: a connection with more than 20 s of messages ends the run
        rate=10_000,
        headline="p99_us",
    ),
    Scenario(
        "churn",
        "connect, handshake, 64 B echo, close; 64 at a time",
        "churn",
        connections=64,
        unit="connection",
    ),
    Scenario("get", "64 connections, plain GET of 64 B", "get", connections=64, unit="request"),
    Scenario(
        "get-50m",
        "4 connections, plain GET of 50 MiB",
        "get",
        connections=4,
        size=50 << 20,
        unit="request",
    ),
    Scenario(
        "put-50m",
        "4 connections, plain PUT of 50 MiB",
        "put",
        connections=4,
        size=50 << 20,
        unit="request",
    ),
    Scenario(
        "idle",
        "5000 idle connections",
        "idle",
        connections=5000,
        unit="connection",
        headline="rss_kib",
    ),
)
