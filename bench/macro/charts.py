"""Charts of the results: bars, the shorter the better."""

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from .contenders import OTHER_DRIVERS, OURS, RIVAL
from .report import Results, Scenario, headline, medians, proxies, titled

# Okabe and Ito's colours, which the colour-blind can tell apart; the white ground makes them
# legible on a dark page too.
OUR_COLOURS = {OURS: "#0072b2", **dict.fromkeys(OTHER_DRIVERS, "#56b4e9")}
COLOUR, INK = "#b0b0b0", "#202020"
STYLE = {
    "axes.edgecolor": INK,
    "axes.spines.bottom": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.dpi": 144,
    "font.size": 9,
    "text.color": INK,
    "xtick.bottom": False,
    "xtick.labelbottom": False,
    "ytick.color": INK,
    "ytick.left": False,
}
LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}

WIDTH, COLUMNS = 10.0, 2
BAR, AROUND = 0.24, 0.5  # inches

# A chart has a panel for each scenario that compares by this figure first.
CHARTS = {
    "cpu": "CPU time as a multiple of nginx's",
    "latency": "Latency at a fixed rate",
    "memory": "Memory of idle connections",
}
FIGURES = {"cpu": "cpu_us", "latency": "p99_us", "memory": "rss_kib"}


def draw(data: Results, directory: Path) -> None:
    """Draw every chart that has something to show."""
    names = [one["name"] for one in proxies(data)]
    for chart, title in CHARTS.items():
        scenarios = [one for one in data["scenarios"] if one["headline"] == FIGURES[chart]]
        if scenarios and RIVAL in names:
            with mpl.rc_context(STYLE):
                draw_chart(data, scenarios, title, directory / f"{chart}.png")


def draw_chart(data: Results, scenarios: list[Scenario], title: str, path: Path) -> None:
    """Draw a panel for each scenario."""
    columns = min(COLUMNS, len(scenarios))
    rows = -(-len(scenarios) // columns)
    height = rows * (len(proxies(data)) * BAR + AROUND) + 0.4
    figure, panels = plt.subplots(
        rows, columns, figsize=(WIDTH, height), squeeze=False, layout="constrained"
    )
    figure.suptitle(f"{title} (shorter is better)", x=0.01, ha="left", weight="bold")
    for panel, scenario in zip(panels.flat, scenarios, strict=False):
        draw_panel(panel, data, scenario, relative=len(scenarios) > 1)
    for panel in panels.flat[len(scenarios) :]:
        panel.set_visible(False)
    # Without the software's version a chart stays the same until its figures change.
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def draw_panel(panel: Axes, data: Results, scenario: Scenario, *, relative: bool) -> None:
    """Draw a bar for each proxy: its figure, or how many times the rival's."""
    column = headline(scenario)
    figures = {name: medians(data, scenario, name) for name in ours_first(data)}
    unit = figures[RIVAL][column.figure] if relative else 1.0
    values = {name: one[column.figure] / unit for name, one in figures.items()}
    bars = panel.barh(
        list(values),
        list(values.values()),
        color=[OUR_COLOURS.get(name, COLOUR) for name in values],
    )
    texts = [f"{one:.2f}" if relative else column.write(one) for one in values.values()]
    panel.bar_label(bars, texts, padding=3, bbox=LABEL)
    panel.set_title(scenario["title"] if relative else titled_panel(scenario))
    panel.invert_yaxis()
    panel.margins(x=0.15)
    if relative:
        panel.axvline(1, color=INK, linewidth=0.8, linestyle=":", zorder=0)


def ours_first(data: Results) -> list[str]:
    """Name the proxies in the order in which they are drawn."""
    return sorted((one["name"] for one in proxies(data)), key=lambda name: name not in OUR_COLOURS)


def titled_panel(scenario: Scenario) -> str:
    """Say what a panel's bars are."""
    return f"{scenario['title']}: {titled(headline(scenario), scenario)}"
