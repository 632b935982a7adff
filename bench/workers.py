"""What several workers do together: `python -m bench.workers`, with nginx beside it.

Writes a page with its figures to bench/results, or where `--output` says: how connections spread
over two workers, how long a reload takes while they are open, how long a tunnel pauses when it
moves, and how many handshakes two workers make in a second.
"""

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

from .macro.contenders import FASTWS, NGINX, Contender
from .macro.lab import Lab, Target, hold_connections, open_lab, run_contender, run_load
from .macro.machine import describe
from .macro.paths import RESULTS

PAGE = Path(__file__).with_name("workers.page.md")

RELOADS = 20
CHURN = ["churn", "--connections", "64", "--seconds", "4", "--warmup", "1"]

# Through each of these tunnels goes a message every 6.4 ms, which is how much of a pause may be
# missed.
STEADY = ["open", "--connections", "64", "--rate", "10000", "--in-flight", "4096", "--warmup", "1"]
SECONDS = 8.0
# When the move begins, from the start of the load.
BEFORE = 3.0

# A reload needs a file.
CONFIG = """\
listeners = ["@listen@"]
workers = 2
control = "@directory@/control.sock"

[[upstreams]]
name = "bench"
servers = ["@upstream@"]

[log]
level = "warning"
"""

OURS = replace(FASTWS, name="fastws-two", arguments=("serve", "@config@"), config=CONFIG)
THEIRS = replace(
    NGINX,
    name="nginx-two",
    config=NGINX.config.replace("worker_processes 1;", "worker_processes 2;"),
)

Figures = dict[str, Any]


@contextmanager
def running(lab: Lab, contender: Contender) -> Iterator[Target]:
    """Run a proxy on all cores: its workers are to run at once."""
    cores = replace(lab.cores, proxy=lab.cores.load)
    with run_contender(replace(lab, cores=cores), contender) as target:
        for pid in target.pids:
            subprocess.run(["taskset", "-acp", "0-1", str(pid)], check=True, capture_output=True)
        yield target


def command(lab: Lab, *words: str) -> str:
    """Say a command to the proxy that runs."""
    control = str(lab.directory / OURS.name / "control.sock")
    words = (str(OURS.program()), *words, "--control", control)
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def timed(lab: Lab, *words: str) -> float:
    """Say how many seconds a command takes."""
    start = time.perf_counter()
    command(lab, *words)
    return time.perf_counter() - start


def loads(lab: Lab) -> list[int]:
    """List the tunnels of each worker."""
    workers = json.loads(command(lab, "status", "--json"))["workers"]
    return [each["tunnels"] for each in workers]


def spread_and_reloads(lab: Lab) -> Figures:
    """Measure both with the tunnels that are open."""
    spread = loads(lab)
    times = [timed(lab, "reload") for _ in range(RELOADS)]
    nothing = [timed(lab, "status", "--json") for _ in range(RELOADS)]
    return {
        "spread": " and ".join(map(str, spread)),
        "reload": round(statistics.median(times), 3),
        "reload_most": round(max(times), 3),
        "status": round(statistics.median(nothing), 3),
    }


def pause(lab: Lab, target: Target, *words: str) -> Figures:
    """Measure the longest round trip of each of some tunnels, while a command moves all."""
    load = [*STEADY, "--seconds", str(SECONDS)]
    with ThreadPoolExecutor(1) as pool:
        report = pool.submit(run_load, lab, target, load, [])
        time.sleep(BEFORE)
        seconds = timed(lab, *words) if words else 0.0
        longest = report.result()["longest_us"]
    return {
        "seconds": round(seconds, 2),
        **{name: round(longest[name] / 1000, 1) for name in ("p50", "p99", "max")},
    }


def moves(lab: Lab, target: Target) -> dict[str, Figures]:
    """Measure the pause over each way to move, and over none."""
    return {
        "nothing": pause(lab, target),
        "drain WORKER --move": pause(lab, target, "drain", first_worker(lab), "--move"),
        "upgrade": pause(lab, target, "upgrade"),
    }


def first_worker(lab: Lab) -> str:
    """Name one."""
    return str(json.loads(command(lab, "status", "--json"))["workers"][0]["worker"])


def handshakes(lab: Lab) -> Figures:
    """Measure them through either proxy."""
    rates = {}
    for contender in (OURS, THEIRS):
        with running(lab, contender) as target:
            rates[contender.name] = round(run_load(lab, target, CHURN, watch=[])["rate"])
    return {"ours": rates[OURS.name], "theirs": rates[THEIRS.name]}


def measure(connections: int) -> Figures:
    """Measure all of it."""
    idle = ["idle", "--connections", str(connections)]
    with open_lab() as lab:
        with running(lab, OURS) as target:
            with hold_connections(lab, target, idle, []):
                together = spread_and_reloads(lab)
                moved = moves(lab, target)
            command(lab, "stop")  # another process than the one that was started, by now
        made = handshakes(lab)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": describe(),
        "connections": connections,
        **together,
        "moves": moved,
        "handshakes": made,
    }


def page(figures: Figures) -> str:
    """Render what was measured."""
    rows = [
        f"| {name} | {each['seconds']} | {each['p50']} | {each['p99']} | {each['max']} |"
        for name, each in figures["moves"].items()
    ]
    machine = ", ".join(f"{name} {value}" for name, value in figures["machine"].items())
    return Template(PAGE.read_text()).substitute(
        figures, machine=machine, moves="\n".join(rows), **figures["handshakes"]
    )


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("--connections", type=int, default=5000, help="idle tunnels")
    parser.add_argument("--output", type=Path, default=RESULTS, help="write there")
    arguments = parser.parse_args()
    figures = measure(arguments.connections)
    (arguments.output / "workers.json").write_text(json.dumps(figures, indent=1) + "\n")
    (arguments.output / "workers.md").write_text(page(figures))
    print(page(figures))


if __name__ == "__main__":
    main()
