"""What several workers do together: `python -m bench.workers [CONNECTIONS]`.

Prints how connections spread over two workers, how long a reload takes while they are open, and how
many handshakes two workers make in a second, beside nginx with two.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from .macro.contenders import FASTWS, NGINX, Contender
from .macro.lab import Lab, Target, hold_connections, open_lab, run_contender, run_load

RELOADS = 20
CHURN = ["churn", "--connections", "64", "--seconds", "4", "--warmup", "1"]

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


def spread_and_reloads(lab: Lab, connections: int) -> None:
    """Measure both with the same idle connections."""
    arguments = ["idle", "--connections", str(connections)]
    with running(lab, OURS) as target, hold_connections(lab, target, arguments, []):
        workers = json.loads(command(lab, "status", "--json"))["workers"]
        print("tunnels by worker:", *(each["tunnels"] for each in workers))
        times = []
        for _ in range(RELOADS):
            start = time.perf_counter()
            command(lab, "reload")
            times.append(time.perf_counter() - start)
        median, worst = statistics.median(times), max(times)
        print(f"reload with {connections} tunnels: {median:.3f} s, at most {worst:.3f} s")


def handshakes(lab: Lab) -> None:
    """Measure them through either proxy."""
    for contender in (OURS, THEIRS):
        with running(lab, contender) as target:
            rate = run_load(lab, target, CHURN, watch=[])["rate"]
        print(f"{contender.name}: {rate:.0f} handshakes/s")


def main() -> None:
    """Run all of it."""
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with open_lab() as lab:
        spread_and_reloads(lab, connections)
        handshakes(lab)


if __name__ == "__main__":
    main()
