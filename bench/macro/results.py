"""From measurements to results: medians, and all that a reader needs to judge them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from .contenders import Contender, addresses, fill
from .machine import describe
from .measure import ATTEMPTS, NOISE_LIMIT, Measurement, Window
from .scenarios import Scenario

# Results name no path and no port of the machine they come from.
DIRECTORY = "/run/bench"
PLACES = addresses(8080, 9000) | {"directory": DIRECTORY}


@dataclass(frozen=True)
class Method:
    """How a run was made."""

    turns: int
    window: Window
    noise_limit: float = NOISE_LIMIT
    attempts: int = ATTEMPTS


@dataclass(frozen=True)
class Selection:
    """What a run compares, and what it had to leave out."""

    contenders: Sequence[Contender]
    scenarios: Sequence[Scenario]
    missing: Sequence[str] = ()


def results(
    started: datetime, selection: Selection, method: Method, taken: Sequence[Measurement]
) -> dict[str, Any]:
    """Gather what the results file holds."""
    return {
        "date": started.strftime("%Y-%m-%d %H:%M UTC"),
        "machine": describe(),
        "method": asdict(method),
        "contenders": [describe_contender(one) for one in selection.contenders],
        "missing": list(selection.missing),
        "scenarios": [asdict(one) for one in selection.scenarios],
        "summary": {one.name: summarize(one.name, taken) for one in selection.scenarios},
        "turns": [one.as_dict() for one in taken],
    }


def describe_contender(contender: Contender) -> dict[str, str]:
    """Say what ran, with placeholders for places."""
    places = PLACES | {"config": f"{DIRECTORY}/{contender.config_name}"}
    environment = [f"{name}={value}" for name, value in contender.environment.items()]
    arguments = [fill(argument, places) for argument in contender.arguments]
    program = [contender.program().name] if contender.is_proxy else []
    return {
        "name": contender.name,
        "version": contender.version(),
        "command": " ".join([*environment, *program, *arguments]),
        "config": fill(contender.config, places),
    }


def summarize(scenario: str, taken: Sequence[Measurement]) -> dict[str, dict[str, Any]]:
    """Give every contender's medians in a scenario, with lowest and highest."""
    by_contender: dict[str, list[dict[str, float]]] = {}
    for one in taken:
        if one.scenario == scenario:
            by_contender.setdefault(one.contender, []).append(one.figures)
    return {
        name: {figure: spread([one[figure] for one in turns]) for figure in turns[0]}
        for name, turns in by_contender.items()
    }


def spread(values: list[float]) -> dict[str, float]:
    """Give the median, and how far the turns lay apart."""
    return {"median": median(values), "low": min(values), "high": max(values)}
