"""Run the comparison and write its results: python -m bench."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from .macro.contenders import CONTENDERS, Contender
from .macro.errors import BenchError
from .macro.lab import Lab, open_lab
from .macro.measure import Measurement, Window, measure
from .macro.report import Method, results, write
from .macro.scenarios import SCENARIOS, Scenario

RESULTS = Path(__file__).parent / "results"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="measurements of each pair")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each")
    parser.add_argument("--warmup", type=float, default=0.5, help="what goes before it")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[one.name for one in SCENARIOS],
        choices=[one.name for one in SCENARIOS],
        help="these scenarios",
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        default=[one.name for one in CONTENDERS],
        choices=[one.name for one in CONTENDERS],
        help="these ways through",
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory of the results")
    return parser.parse_args()


def take_turns(
    lab: Lab,
    contenders: list[Contender],
    scenarios: list[Scenario],
    method: Method,
) -> Iterator[Measurement]:
    """Measure every pair once per turn: what drifts, drifts for all."""
    for turn in range(method.turns):
        for scenario in scenarios:
            for contender in contenders:
                if scenario.needs_proxy and not contender.is_proxy:
                    continue
                print(f"turn {turn + 1}, {scenario.name}, {contender.name}", file=sys.stderr)
                yield measure(lab, contender, scenario, method.window)


def main() -> None:
    """Measure, write, print."""
    arguments = parse()
    method = Method(arguments.turns, Window(arguments.seconds, arguments.warmup))
    contenders = [one for one in CONTENDERS if one.name in arguments.contenders]
    scenarios = [one for one in SCENARIOS if one.name in arguments.only]
    started = datetime.now(UTC)
    with open_lab() as lab:
        taken = list(take_turns(lab, contenders, scenarios, method))
    page = write(arguments.output, results(started, contenders, scenarios, method, taken))
    print(page)


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
