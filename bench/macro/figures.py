"""The figures of a measurement: what they are called, how they are compared and written."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10


@dataclass(frozen=True)
class Column:
    """A figure as the page shows it."""

    figure: str
    title: str  # $unit stands for what the scenario counts
    short: str = ""  # for those that a scenario is headed by, with the unit of measurement
    unit: str = ""
    scale: float = 1.0
    higher_is_better: bool = False
    compared: bool = True  # by a ratio

    def ratio(self, rival: Mapping[str, float], ours: Mapping[str, float]) -> float:
        """Divide a rival's figure by ours, or the other way round: above 1 ours is better."""
        theirs, own = rival[self.figure], ours[self.figure]
        return own / theirs if self.higher_is_better else theirs / own

    def write(self, value: float) -> str:
        """Write a value with three digits that count."""
        value *= self.scale
        decimals = 2 - floor(log10(abs(value))) if value else 0
        return f"{value:,.{max(0, decimals)}f}"


COLUMNS = (
    Column("cpu_us", "CPU us per $unit", short="CPU", unit="us"),
    Column("rate", "${unit}s/s", higher_is_better=True),
    Column("p50_us", "p50 us"),
    Column("p99_us", "p99 us", short="p99", unit="us"),
    Column("p999_us", "p99.9 us"),
    Column("handshake_p50_us", "handshake p50 us"),
    Column("handshake_p99_us", "handshake p99 us"),
    Column("rss_kib", "RSS KiB per $unit", short="memory", unit="KiB"),
    Column("pss_kib", "PSS KiB per $unit", compared=False),
    Column("cpu_load", "proxy's core, %", scale=100, compared=False),
    Column("generator_us", "load + backend us", compared=False),
)

# What opening connections costs says nothing about those that are idle, and the open loop's rate is
# the one it was told.
HIDDEN = {"idle": {"cpu_us", "cpu_load", "generator_us"}, "open": {"rate"}}


def shown(scenario: str) -> list[Column]:
    """Give the columns that a scenario's table may have."""
    return [one for one in COLUMNS if one.figure not in HIDDEN.get(scenario, set())]


def compared(scenario: str, figures: Mapping[str, float]) -> list[Column]:
    """Give the columns by which a scenario compares contenders."""
    return [one for one in shown(scenario) if one.compared and one.figure in figures]


def ratios(
    scenario: str, rival: Mapping[str, float], ours: Mapping[str, float]
) -> dict[str, float]:
    """Compare by every figure; above 1 ours is better."""
    return {column.figure: column.ratio(rival, ours) for column in compared(scenario, ours)}
