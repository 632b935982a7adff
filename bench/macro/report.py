"""Texts rendered from the results: the page, and the README's section."""

from string import Template
from typing import Any

from .contenders import OTHER_DRIVERS, OURS
from .figures import COLUMNS, Column, compared, shown
from .paths import PAGE, SECTION

Results = dict[str, Any]
Scenario = dict[str, Any]  # as the results hold it


def page(data: Results) -> str:
    """Render the page that shows all."""
    method = data["method"]
    return Template(PAGE.read_text()).substitute(
        date=data["date"],
        ratios=ratio_table(data, OURS),
        lost=listed(lost_cases(data, OURS)),
        lost_elsewhere=listed(lost_elsewhere(data, OURS)),
        other_drivers="\n\n".join(driver_part(data, one) for one in OTHER_DRIVERS),
        scenarios="\n\n".join(scenario_table(one, data) for one in data["scenarios"]),
        turns=method["turns"],
        seconds=method["window"]["seconds"],
        warmup=method["window"]["warmup"],
        noise=listed(disturbed(data)),
        noise_limit=f"{method['noise_limit']:.0%}",
        attempts=method["attempts"],
        machine=listed([f"{name}: {value}" for name, value in data["machine"].items()]),
        versions=listed([f"{one['name']} {one['version']}" for one in proxies(data)]),
        missing=listed(data["missing"]),
        configs="\n\n".join(config_block(one) for one in proxies(data)),
    )


def section(data: Results) -> str:
    """Render what the README shows."""
    return Template(SECTION.read_text()).substitute(
        date=data["date"],
        turns=data["method"]["turns"],
        processor=data["machine"]["processor"],
        ratios=ratio_table(data, OURS),
        lost=listed(lost_cases(data, OURS)),
    )


def listed(lines: list[str]) -> str:
    """Render a list."""
    return "\n".join(f"- {line}" for line in lines) or "None."


def table(head: list[str], rows: list[list[str]]) -> str:
    """Render a Markdown table whose first column is text."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def proxies(data: Results) -> list[dict[str, str]]:
    """Give those of the contenders that are programs."""
    return [one for one in data["contenders"] if one["command"]]


def rivals(data: Results) -> list[str]:
    """Name the proxies that are not ours."""
    return [one["name"] for one in proxies(data) if one["name"] not in (OURS, *OTHER_DRIVERS)]


def headline(scenario: Scenario) -> Column:
    """Give the figure by which a scenario compares first."""
    return next(one for one in COLUMNS if one.figure == scenario["headline"])


def titled(column: Column, scenario: Scenario) -> str:
    """Name a column in the unit of its scenario."""
    return Template(column.title).substitute(unit=scenario["unit"])


def medians(data: Results, scenario: Scenario, contender: str) -> dict[str, float]:
    """Give a contender's figures without their spread."""
    figures = data["summary"][scenario["name"]][contender]
    return {figure: values["median"] for figure, values in figures.items()}


def ratio_table(data: Results, ours: str) -> str:
    """Divide everybody's headline figures by ours."""
    names = [one["name"] for one in proxies(data)]
    if ours not in names:
        return f"{ours} did not run."
    others = [
        *rivals(data),
        *(one for one in (OURS, *OTHER_DRIVERS) if one in names and one != ours),
    ]
    rows = [ratio_row(data, scenario, ours, others) for scenario in data["scenarios"]]
    return table(["", ours, *others], rows)


def driver_part(data: Results, ours: str) -> str:
    """Render the ratios of one of our drivers, and what it loses."""
    lost = listed(lost_cases(data, ours))
    return f"{ratio_table(data, ours)}\n\nWhat {ours} loses:\n\n{lost}"


def ratio_row(data: Results, scenario: Scenario, ours: str, others: list[str]) -> list[str]:
    """Give our figure, and the others as multiples of it."""
    column, own = headline(scenario), medians(data, scenario, ours)
    return [
        f"{scenario['title']}: {column.short}",
        f"{column.write(own[column.figure])} {column.unit}",
        *(f"{column.ratio(medians(data, scenario, one), own):.2f}" for one in others),
    ]


def lost_cases(data: Results, ours: str) -> list[str]:
    """Name the scenarios in which somebody's headline figure is better than ours."""
    return [
        f"{scenario['title']}: {headline(scenario).short}: {', '.join(won)}"
        for scenario in data["scenarios"]
        if (won := better_ones(data, scenario, headline(scenario), ours))
    ]


def lost_elsewhere(data: Results, ours: str) -> list[str]:
    """Name, for each scenario, the other figures in which somebody is better than we are."""
    lost = {one["title"]: lost_figures(data, one, ours) for one in data["scenarios"]}
    return [f"{title}: {'; '.join(figures)}" for title, figures in lost.items() if figures]


def lost_figures(data: Results, scenario: Scenario, ours: str) -> list[str]:
    """Name figures of a scenario other than that which heads it."""
    if ours not in data["summary"][scenario["name"]]:
        return []
    return [
        f"{titled(column, scenario)} ({', '.join(won)})"
        for column in compared(scenario["name"], medians(data, scenario, ours))
        if column != headline(scenario) and (won := better_ones(data, scenario, column, ours))
    ]


def better_ones(data: Results, scenario: Scenario, column: Column, ours: str) -> list[str]:
    """Say who is better by a figure."""
    if ours not in data["summary"][scenario["name"]]:
        return []
    own = medians(data, scenario, ours)
    theirs = {rival: column.ratio(medians(data, scenario, rival), own) for rival in rivals(data)}
    return [f"{rival} {ratio:.2f}" for rival, ratio in theirs.items() if round(ratio, 2) < 1]


def ranged(figure: dict[str, float] | None, column: Column) -> str:
    """Render a median with its lowest and highest turn."""
    if figure is None:
        return ""
    middle, low, high = (column.write(figure[name]) for name in ("median", "low", "high"))
    return f"{middle} ({low} to {high})"


def scenario_table(scenario: Scenario, data: Results) -> str:
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


def disturbed(data: Results) -> list[str]:
    """Name the measurements that stayed noisy."""
    return [
        f"{one['scenario']}, {one['contender']}: {one['noise']:.0%} of a core"
        for one in data["turns"]
        if one["noise"] > data["method"]["noise_limit"]
    ]


def config_block(contender: dict[str, str]) -> str:
    """Show how a contender was run."""
    shown_config = f"\n\n{contender['config'].rstrip()}" if contender["config"] else ""
    return f"### {contender['name']}\n\n```\n{contender['command']}{shown_config}\n```"
