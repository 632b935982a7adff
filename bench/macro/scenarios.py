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
    unit: str = "message"

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
        ]


SCENARIOS = (
    Scenario("echo-64", "64 connections, 64 B echo", "load", connections=64),
    Scenario("echo-512", "512 connections, 64 B echo", "load", connections=512),
    Scenario("echo-64k", "64 connections, 64 KiB echo", "load", connections=64, size=65536),
    Scenario(
        "churn",
        "connect, handshake, 64 B echo, close; 64 at a time",
        "churn",
        connections=64,
        unit="connection",
    ),
    Scenario("idle", "2000 idle connections", "idle", connections=2000, unit="connection"),
)
