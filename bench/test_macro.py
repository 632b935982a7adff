"""Whole proxies side by side. The time shown is the proxy's CPU time per message."""

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from .macro.contenders import OURS, RIVAL, Contender, named
from .macro.errors import NotInstalledError
from .macro.figures import ratios
from .macro.lab import Lab
from .macro.measure import Window, measure_once
from .macro.scenarios import SCENARIOS, Scenario

WINDOW = Window(seconds=1.0, warmup=0.3)

Figures = dict[str, float]


class ProxyClock:
    """A timer that only the CPU time of proxies, per message, moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time, as pytest-benchmark asks for it before and after a run."""
        return self.now


CLOCK = ProxyClock()


def skip_unless_installed(contender: Contender) -> None:
    """Leave out a proxy that is not there."""
    try:
        contender.version()
    except NotInstalledError as error:
        pytest.skip(str(error))


def on_the_clock(lab: Lab, contender: Contender, scenario: Scenario) -> Callable[[], Figures]:
    """Make the function whose run the clock shows."""

    def run() -> Figures:
        figures = measure_once(lab, contender, scenario, WINDOW).figures
        CLOCK.now += figures["cpu_us"] / 1e6
        return figures

    return run


# The rival goes first: our run can then state the ratio.
@pytest.mark.parametrize("contender", [named(RIVAL), named(OURS)], ids=lambda one: one.name)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
@pytest.mark.benchmark(timer=CLOCK)
def test_macro(
    benchmark: BenchmarkFixture,
    lab: Lab,
    measured: dict[str, dict[str, Figures]],
    scenario: Scenario,
    contender: Contender,
) -> None:
    """Measure once; `python -m bench` takes turns and minds the neighbours."""
    skip_unless_installed(contender)
    benchmark.group = f"{scenario.title}: proxy's CPU time per {scenario.unit}"
    figures = benchmark.pedantic(on_the_clock(lab, contender, scenario))
    measured[scenario.name][contender.name] = figures
    benchmark.extra_info.update(figures)
    rival = measured[scenario.name].get(RIVAL)
    if contender.name == OURS and rival:
        benchmark.extra_info["ratios"] = ratios(scenario.name, rival, figures)
