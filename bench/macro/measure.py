"""One measurement: a contender in a scenario, taken again while others disturb it."""

import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from .contenders import Contender
from .errors import BenchError, UnclearError
from .lab import Lab, Target, hold_connections, run_contender, run_load
from .machine import memory, softirq_threads
from .scenarios import Scenario

NOISE_LIMIT = 0.05  # of one core, used by other programs during the window
ATTEMPTS = 5


@dataclass(frozen=True)
class Window:
    """How long a measurement takes."""

    seconds: float = 2.0
    warmup: float = 0.5

    def arguments(self) -> list[str]:
        """Give the arguments of wsload."""
        return ["--seconds", str(self.seconds), "--warmup", str(self.warmup)]


@dataclass(frozen=True)
class Measurement:
    """A contender's figures in a scenario."""

    scenario: str
    contender: str
    figures: dict[str, float]
    noise: float  # share of a core
    attempts: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Give what the results file holds of it."""
        return asdict(self)


def measure(lab: Lab, contender: Contender, scenario: Scenario, window: Window) -> Measurement:
    """Measure until other programs are quiet; after ATTEMPTS give the quietest."""
    tries: list[Measurement] = []
    for attempt in range(1, ATTEMPTS + 1):
        try:
            taken = measure_once(lab, contender, scenario, window)
        except UnclearError as error:
            print(f"  {error}", file=sys.stderr)
            continue
        tries.append(replace(taken, attempts=attempt))
        if taken.noise <= NOISE_LIMIT:
            return tries[-1]
        print(f"  disturbed: {taken.noise:.0%} of a core", file=sys.stderr)
    if not tries:
        raise BenchError(f"{contender.name}, {scenario.name}: CPU time stayed unclear")
    return replace(min(tries, key=lambda one: one.noise), attempts=ATTEMPTS)


def measure_once(lab: Lab, contender: Contender, scenario: Scenario, window: Window) -> Measurement:
    """Start the contender, load it, stop it."""
    with run_contender(lab, contender) as target:
        take = take_idle if scenario.mode == "idle" else take_load
        figures, noise = take(lab, target, scenario, window)
    return Measurement(scenario.name, contender.name, figures, noise)


def take_load(
    lab: Lab, target: Target, scenario: Scenario, window: Window
) -> tuple[dict[str, float], float]:
    """Measure messages, or connections, that come and go."""
    arguments = [*scenario.arguments(), *window.arguments()]
    report = run_load(lab, target, arguments, watched(lab, target))
    figures = {"rate": report["rate"]}
    figures |= latencies(report, "latency_us", "") | latencies(report, "handshake_us", "handshake_")
    return figures | cpu_figures(lab, target, report), noise_of(report)


def take_idle(
    lab: Lab, target: Target, scenario: Scenario, window: Window
) -> tuple[dict[str, float], float]:
    """Measure the memory of connections that have nothing to do."""
    before = memory(target.pids)
    with hold_connections(lab, target, scenario.arguments(), watched(lab, target)) as report:
        time.sleep(window.seconds)  # what a proxy frees soon is not the cost of an idle connection
        after = memory(target.pids)
    figures = {
        "rss_kib": (after.rss - before.rss) / scenario.connections,
        "pss_kib": (after.pss - before.pss) / scenario.connections,
    }
    return figures | cpu_figures(lab, target, report), 0.0  # noise does not change memory


def watched(lab: Lab, target: Target) -> list[int]:
    """List all processes whose CPU time is known to belong to the measurement."""
    return [*target.pids, lab.backend_pid, *softirq_threads(lab.cores)]


def latencies(report: dict[str, Any], member: str, prefix: str) -> dict[str, float]:
    """Pick the percentiles that are shown, where anything was timed."""
    if member not in report:
        return {}
    return {f"{prefix}{name}_us": report[member][name] for name in ("p50", "p99", "p999")}


def cpu_figures(lab: Lab, target: Target, report: dict[str, Any]) -> dict[str, float]:
    """Divide CPU time by messages."""
    count, seconds = report["messages"], report["seconds"]
    if count == 0:
        raise BenchError("no message came back within the window")
    proxy = proxy_seconds(target, report)
    generator = report["own_cpu"] + report["cpu"][str(lab.backend_pid)]
    figures = {"generator_us": generator / count * 1e6, "generator_load": generator / seconds}
    if target.pids:
        figures |= {"cpu_us": proxy / count * 1e6, "cpu_load": proxy / seconds}
    return figures


def proxy_seconds(target: Target, report: dict[str, Any]) -> float:
    """Add up the proxy's processes, and check the fine clock against the coarse one."""
    fine = sum(report["cpu"][str(pid)] for pid in target.pids)
    coarse = sum(report["ticks"][str(pid)] for pid in target.pids)
    if abs(fine - coarse) > 0.05 * coarse + 0.05:
        raise UnclearError(f"CPU time is unclear, {fine:.3f} s or {coarse:.3f} s: did threads end?")
    return fine


def noise_of(report: dict[str, Any]) -> float:
    """Give the share of a core that none of our processes used."""
    ours = report["own_cpu"] + sum(report["cpu"].values())
    return max(0.0, report["busy"] - ours) / report["seconds"]
