"""From measurements to results: medians, ratios, JSON, and a page rendered from that JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from string import Template
from typing import Any

from .contenders import OURS, RIVAL, Contender, fill
from .machine import describe
from .measure import ATTEMPTS, NOISE_LIMIT, Measurement, Window
from .scenarios import Scenario

PAGE = Path(__file__).with_name("page.md")

# Results name no path and no port of the machine they come from.
PLACES = {
    "listen": "127.0.0.1:8080",
    "upstream": "127.0.0.1:9000",
    "directory": "/run/bench",
    "config": "/run/bench/config",
}


@dataclass(frozen=True)
class Method:
    """How a run was made."""

    turns: int
    window: Window
    noise_limit: float = NOISE_LIMIT
    attempts: int = ATTEMPTS


@dataclass(frozen=True)
class Column:
    """A figure as the page shows it."""

    figure: str
    title: str
    digits: int = 1
    scale: float = 1.0
    higher_is_better: bool = False
    compared: bool = True  # by a ratio


COLUMNS = (
    Column("cpu_us", "CPU us per $unit", digits=2),
    Column("rate", "${unit}s/s", digits=0, higher_is_better=True),
    Column("p50_us", "p50 us", digits=0),
    Column("p99_us", "p99 us", digits=0),
    Column("p999_us", "p99.9 us", digits=0),
    Column("handshake_p50_us", "handshake p50 us", digits=0),
    Column("handshake_p99_us", "handshake p99 us", digits=0),
    Column("rss_kib", "RSS KiB per $unit", digits=2),
    Column("pss_kib", "PSS KiB per $unit", digits=2, compared=False),
    Column("cpu_load", "proxy's core, %", digits=0, scale=100, compared=False),
    Column("generator_us", "load + backend us", compared=False),
)

# What opening connections costs says nothing about those that are idle.
HIDDEN = {"idle": {"cpu_us", "cpu_load", "generator_us"}}


def shown(scenario: str) -> list[Column]:
    """Give the columns that a scenario's table may have."""
    return [one for one in COLUMNS if one.figure not in HIDDEN.get(scenario, set())]


def results(
    started: datetime,
    contenders: Sequence[Contender],
    scenarios: Sequence[Scenario],
    method: Method,
    taken: Sequence[Measurement],
) -> dict[str, Any]:
    """Gather all that a reader needs to judge the figures."""
    summary = {one.name: summarize(one.name, taken) for one in scenarios}
    return {
        "date": started.strftime("%Y-%m-%d %H:%M UTC"),
        "machine": describe(),
        "method": asdict(method),
        "contenders": [describe_contender(one) for one in contenders],
        "scenarios": [asdict(one) for one in scenarios],
        "summary": summary,
        "ratios": {name: ratios(name, medians(figures)) for name, figures in summary.items()},
        "turns": [one.as_dict() for one in taken],
    }


def describe_contender(contender: Contender) -> dict[str, str]:
    """Say what ran, with placeholders for places."""
    arguments = [fill(argument, PLACES) for argument in contender.arguments]
    return {
        "name": contender.name,
        "version": contender.version(),
        "command": " ".join([contender.name, *arguments]) if contender.is_proxy else "",
        "config": fill(contender.config, PLACES),
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


def medians(summary: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Drop the spread."""
    return {
        name: {figure: values["median"] for figure, values in figures.items()}
        for name, figures in summary.items()
    }


def ratios(scenario: str, figures: dict[str, dict[str, float]]) -> dict[str, float]:
    """Divide the rival's figures by ours; what should be high is turned round."""
    if not {RIVAL, OURS} <= figures.keys():
        return {}
    compared = {}
    for column in shown(scenario):
        if not column.compared or column.figure not in figures[OURS]:
            continue
        rival, ours = figures[RIVAL][column.figure], figures[OURS][column.figure]
        compared[column.figure] = ours / rival if column.higher_is_better else rival / ours
    return compared


def write(directory: Path, data: dict[str, Any]) -> str:
    """Write latest.json and latest.md; give the page."""
    directory.mkdir(parents=True, exist_ok=True)
    page = render(data)
    (directory / "latest.json").write_text(json.dumps(data, indent=1) + "\n")
    (directory / "latest.md").write_text(page)
    return page


def render(data: dict[str, Any]) -> str:
    """Render the page from the results."""
    return Template(PAGE.read_text()).substitute(
        date=data["date"],
        machine="\n".join(f"- {name}: {value}" for name, value in data["machine"].items()),
        versions="\n".join(
            f"- {one['name']} {one['version']}" for one in data["contenders"] if one["version"]
        ),
        ratios=ratio_table(data),
        lost=lost_cases(data),
        scenarios="\n\n".join(scenario_table(one, data) for one in data["scenarios"]),
        turns=data["method"]["turns"],
        seconds=data["method"]["window"]["seconds"],
        warmup=data["method"]["window"]["warmup"],
        noise=disturbed(data),
        noise_limit=f"{data['method']['noise_limit']:.0%}",
        attempts=data["method"]["attempts"],
        configs="\n\n".join(config_block(one) for one in data["contenders"] if one["command"]),
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """Render a Markdown table whose first column is text."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def titled(column: Column, scenario: dict[str, Any]) -> str:
    """Name a column in the unit of its scenario."""
    return Template(column.title).substitute(unit=scenario["unit"])


def ratio_table(data: dict[str, Any]) -> str:
    """Render what is compared in every scenario."""
    rows = [
        [
            f"{scenario['title']}: {titled(column, scenario)}",
            number(data, scenario, RIVAL, column),
            number(data, scenario, OURS, column),
            f"{data['ratios'][scenario['name']][column.figure]:.2f}",
        ]
        for scenario in data["scenarios"]
        for column in shown(scenario["name"])
        if column.figure in data["ratios"][scenario["name"]]
    ]
    if not rows:
        return f"{RIVAL} and {OURS} did not both run."
    return table(["", RIVAL, OURS, "ratio"], rows)


def lost_cases(data: dict[str, Any]) -> str:
    """Name what the rival does better."""
    lost = [
        f"- {scenario['title']}, {titled(column, scenario)}: {ratio:.2f}"
        for scenario in data["scenarios"]
        for column in shown(scenario["name"])
        if (ratio := data["ratios"][scenario["name"]].get(column.figure, 1.0)) < 1
    ]
    return "\n".join(lost) or "None in this run."


def number(data: dict[str, Any], scenario: dict[str, Any], contender: str, column: Column) -> str:
    """Render a median."""
    figure = data["summary"][scenario["name"]][contender][column.figure]
    return f"{figure['median'] * column.scale:,.{column.digits}f}"


def ranged(figure: dict[str, float] | None, column: Column) -> str:
    """Render a median with its lowest and highest turn."""
    if figure is None:
        return ""
    middle, low, high = (
        f"{figure[name] * column.scale:,.{column.digits}f}" for name in ("median", "low", "high")
    )
    return f"{middle} ({low} to {high})"


def scenario_table(scenario: dict[str, Any], data: dict[str, Any]) -> str:
    """Render all contenders in one scenario."""
    summary = data["summary"][scenario["name"]]
    columns = [
        column
        for column in shown(scenario["name"])
        if any(column.figure in figures for figures in summary.values())
    ]
    rows = [
        [name, *(ranged(figures.get(column.figure), column) for column in columns)]
        for name, figures in summary.items()
    ]
    head = ["", *(titled(column, scenario) for column in columns)]
    return f"### {scenario['title']}\n\n{table(head, rows)}"


def disturbed(data: dict[str, Any]) -> str:
    """Name the measurements that stayed noisy."""
    noisy = [
        f"- {one['scenario']}, {one['contender']}: {one['noise']:.0%} of a core"
        for one in data["turns"]
        if one["noise"] > data["method"]["noise_limit"]
    ]
    return "\n".join(noisy) or "None."


def config_block(contender: dict[str, str]) -> str:
    """Show how a contender was run."""
    shown_config = f"\n\n{contender['config'].rstrip()}" if contender["config"] else ""
    return f"### {contender['name']}\n\n```\n{contender['command']}{shown_config}\n```"
