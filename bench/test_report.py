"""What becomes of figures: ratios, tables, the page, the README's section."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from .macro.contenders import OURS, RIVAL, Contender, named
from .macro.errors import BenchError, NotInstalledError
from .macro.figures import COLUMNS
from .macro.measure import Measurement, Window
from .macro.publish import BEGIN, END, filled, publish, read
from .macro.report import Results, lost_cases, page, ratio_table, section
from .macro.results import Method, Selection, results
from .macro.scenarios import SCENARIOS

CPU, RATE = COLUMNS[0], COLUMNS[1]
ECHO, CHURN = (next(one for one in SCENARIOS if one.name == name) for name in ("echo-64", "churn"))

# CPU time per message, by scenario, of the rival and of ours
COSTS = {ECHO.name: {RIVAL: [2.0, 3.0, 7.0], OURS: [2.0]}, CHURN.name: {RIVAL: [5.0], OURS: [20.0]}}


def there(name: str) -> Contender:
    """Give a contender, if it is there to tell its version."""
    try:
        named(name).version()
    except NotInstalledError as error:
        pytest.skip(str(error))
    return named(name)


@pytest.fixture
def data() -> Results:
    """Make the results of a small run."""
    taken = [
        Measurement(scenario, contender, {"cpu_us": cost, "rate": 1e6 / cost}, noise=0)
        for scenario, costs in COSTS.items()
        for contender, values in costs.items()
        for cost in values
    ]
    selection = Selection([there(RIVAL), there(OURS)], [ECHO, CHURN], ["envoy: not installed"])
    return results(datetime.now(UTC), selection, Method(3, Window()), taken)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.08234, "0.0823"), (1.005, "1.00"), (23.45, "23.4"), (12345.6, "12,346")],
)
def test_three_digits_count(value: float, text: str) -> None:
    """From nanoseconds per message to messages per second."""
    assert RATE.write(value) == text


def test_above_one_ours_is_better() -> None:
    """Whether a figure should be low or high."""
    rival, ours = {"cpu_us": 6.0, "rate": 100.0}, {"cpu_us": 3.0, "rate": 200.0}
    assert CPU.ratio(rival, ours) == RATE.ratio(rival, ours) == 2.0


def test_ratios_are_of_medians(data: Results) -> None:
    """Our own figure as it is, then the rival's divided by it."""
    assert ratio_table(data, OURS).splitlines()[2:] == [
        f"| {ECHO.title}: CPU | 2.00 us | 1.50 |",
        f"| {CHURN.title}: CPU | 20.0 us | 0.25 |",
    ]


def test_lost_cases_are_named(data: Results) -> None:
    """In the section of the README too."""
    assert lost_cases(data, OURS) == [f"{CHURN.title}: CPU: {RIVAL} 0.25"]
    assert lost_cases(data, OURS)[0] in section(data)


def test_the_page_says_what_was_left_out(data: Results) -> None:
    """And shows each turn's spread, and configs without this machine's places."""
    text = page(data)
    assert "- envoy: not installed" in text
    assert "3.00 (2.00 to 7.00)" in text
    assert "listen 127.0.0.1:8080;" in text


def test_results_can_be_read_again(data: Results, tmp_path: Path) -> None:
    """To render them anew."""
    publish(tmp_path, data)
    assert page(read(tmp_path)) == (tmp_path / "latest.md").read_text() == page(data)
    assert (tmp_path / "cpu.png").stat().st_size > 0


def test_the_readme_is_filled_between_its_markers() -> None:
    """Over and over."""
    once = filled(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new \\1\n")
    assert once == f"before\n{BEGIN}\n\nnew \\1\n\n{END}\nafter\n"
    assert filled(once, "new \\1\n") == once
    with pytest.raises(BenchError, match="no place"):
        filled("no markers", "new")


def test_scenarios_have_names_of_their_own() -> None:
    """Results are kept by name."""
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS)
    assert {asdict(one)["headline"] for one in SCENARIOS} <= {one.figure for one in COLUMNS}
