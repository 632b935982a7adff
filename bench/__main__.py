"""Run the comparison and write its results: python -m bench."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from .macro.contenders import CONTENDERS, installed
from .macro.errors import BenchError
from .macro.lab import Lab, open_lab
from .macro.measure import Measurement, Window, measure
from .macro.paths import RESULTS
from .macro.publish import publish, read
from .macro.report import Results, page
from .macro.results import Method, Selection, results
from .macro.scenarios import SCENARIOS

ALL_SCENARIOS = [one.name for one in SCENARIOS]
ALL_CONTENDERS = [one.name for one in CONTENDERS]


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="measurements of each pair")
    parser.add_argument("--seconds", type=float, default=1.2, help="length of each")
    parser.add_argument("--warmup", type=float, default=0.3, help="what goes before it")
    parser.add_argument(
        "--only", nargs="+", default=ALL_SCENARIOS, choices=ALL_SCENARIOS, help="these scenarios"
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        default=ALL_CONTENDERS,
        choices=ALL_CONTENDERS,
        help="these ways through",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="write there; else the whole goes to bench/results and the README, a part nowhere",
    )
    parser.add_argument(
        "--render", action="store_true", help="measure nothing, write the last results anew"
    )
    return parser.parse_args()


def is_whole(arguments: argparse.Namespace) -> bool:
    """Whether a run leaves nothing out."""
    return arguments.only == ALL_SCENARIOS and arguments.contenders == ALL_CONTENDERS


def select(arguments: argparse.Namespace) -> Selection:
    """Choose what is asked for and can run."""
    there, missing = installed()
    for line in missing:
        print(f"left out: {line}", file=sys.stderr)
    return Selection(
        contenders=[one for one in there if one.name in arguments.contenders],
        scenarios=[one for one in SCENARIOS if one.name in arguments.only],
        missing=missing,
    )


def take_turns(lab: Lab, selection: Selection, method: Method) -> Iterator[Measurement]:
    """Measure every pair once per turn, each turn from another contender on."""
    for turn in range(method.turns):
        first = turn % len(selection.contenders)
        contenders = [*selection.contenders[first:], *selection.contenders[:first]]
        for scenario in selection.scenarios:
            for contender in contenders:
                if scenario.needs_proxy and not contender.is_proxy:
                    continue
                print(f"turn {turn + 1}, {scenario.name}, {contender.name}", file=sys.stderr)
                yield measure(lab, contender, scenario, method.window)


def run(selection: Selection, method: Method) -> Results:
    """Measure all of it."""
    started = datetime.now(UTC)
    with open_lab() as lab:
        taken = list(take_turns(lab, selection, method))
    return results(started, selection, method, taken)


def main() -> None:
    """Measure, write, print."""
    arguments = parse()
    directory = arguments.output or (RESULTS if is_whole(arguments) else None)
    if arguments.render:
        publish(arguments.output or RESULTS, read(arguments.output or RESULTS))
        return
    method = Method(arguments.turns, Window(arguments.seconds, arguments.warmup))
    data = run(select(arguments), method)
    if directory:
        publish(directory, data)
    print(page(data))


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
