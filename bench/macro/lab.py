"""The programs of a run: wsload compiled, its echo backend, and one proxy at a time."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .contenders import Contender, addresses, fill
from .errors import BenchError
from .machine import Cores, choose_cores, family, pinned, raise_descriptor_limit

SOURCES = Path(__file__).parents[1] / "load"
CFLAGS = ("-O2", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror")

START_SECONDS = 20.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Lab:
    """What every measurement needs."""

    cores: Cores
    directory: Path
    wsload: Path
    backend_pid: int
    backend_port: int


@dataclass(frozen=True)
class Target:
    """Where the load goes: a proxy that runs, or the backend itself."""

    port: int
    log: Path
    pids: list[int] = field(default_factory=list)


@contextmanager
def open_lab() -> Iterator[Lab]:
    """Compile wsload and run its backend for as long as the block lasts."""
    cores = choose_cores()
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix="fastws-bench-") as name:
        directory = Path(name)
        wsload = compile_wsload(directory)
        with run_backend(wsload, cores) as (pid, port):
            yield Lab(cores, directory, wsload, pid, port)


def compile_wsload(directory: Path) -> Path:
    """Compile the load generator."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchError("a C compiler (cc) is needed")
    program = directory / "wsload"
    subprocess.run([compiler, *CFLAGS, "-o", program, *sorted(SOURCES.glob("*.c"))], check=True)
    return program


@contextmanager
def run_backend(wsload: Path, cores: Cores) -> Iterator[tuple[int, int]]:
    """Run the echo backend; give its pid and port."""
    with pinned(cores.load):
        process = subprocess.Popen(
            [wsload, "backend", "--port", "0"], stdout=subprocess.PIPE, text=True
        )
    with process:
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()


@contextmanager
def run_contender(lab: Lab, contender: Contender) -> Iterator[Target]:
    """Run a proxy, pinned to its core, for as long as the block lasts."""
    log = lab.directory / f"{contender.name}.log"
    if not contender.is_proxy:
        yield Target(lab.backend_port, log)
        return
    port = free_port()
    command = prepare(lab, contender, port)
    with log.open("wb") as output, pinned(lab.cores.proxy):
        process = subprocess.Popen(
            command,
            cwd=lab.directory,
            env=os.environ | contender.environment,
            stdout=output,
            stderr=output,
        )
    with process:
        try:
            wait_until_ready(lab, Target(port, log), process)
            yield Target(port, log, family(process.pid))
        finally:
            stop(process, contender.name)


def prepare(lab: Lab, contender: Contender, port: int) -> list[str]:
    """Write a contender's config and give its command line."""
    directory = lab.directory / contender.name
    directory.mkdir(exist_ok=True)
    config = directory / contender.config_name
    places = addresses(port, lab.backend_port) | {
        "directory": str(directory),
        "config": str(config),
    }
    config.write_text(fill(contender.config, places))
    return [str(contender.program()), *(fill(one, places) for one in contender.arguments)]


def free_port() -> int:
    """Find a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(lab: Lab, target: Target, process: subprocess.Popen[bytes]) -> None:
    """Wait until an echo passes the proxy: one may listen before it knows its routes."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            run_load(lab, target, ["load", "--seconds", "0", "--warmup", "0"], watch=[])
        except BenchError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def stop(process: subprocess.Popen[bytes], name: str) -> None:
    """End a proxy as its user would, and make sure of it."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired as error:
        for pid in family(process.pid):
            os.kill(pid, signal.SIGKILL)
        raise BenchError(f"{name} does not end on SIGTERM") from error


def load_command(lab: Lab, target: Target, arguments: list[str], watch: list[int]) -> list[str]:
    """Give the command line of wsload that loads a target and watches processes meanwhile."""
    return [
        *(str(lab.wsload), *arguments, "--port", str(target.port)),
        *("--watch", ",".join(map(str, watch))),
        *("--cores", f"{lab.cores.proxy},{lab.cores.load}"),
    ]


def run_load(lab: Lab, target: Target, arguments: list[str], watch: list[int]) -> dict[str, Any]:
    """Run wsload, which gives up by itself when nothing comes back, and give its report."""
    command = load_command(lab, target, arguments, watch)
    with pinned(lab.cores.load):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise failure(target, done.stderr)
    return json.loads(done.stdout)


@contextmanager
def hold_connections(
    lab: Lab, target: Target, arguments: list[str], watch: list[int]
) -> Iterator[dict[str, Any]]:
    """Keep idle connections open for as long as the block lasts; give wsload's report."""
    with pinned(lab.cores.load):
        process = subprocess.Popen(
            load_command(lab, target, arguments, watch),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    with process:
        report = process.stdout.readline()
        if report:
            yield json.loads(report)
        _, errors = process.communicate()
    if process.returncode != 0:
        raise failure(target, errors)


def failure(target: Target, errors: str) -> BenchError:
    """Say why a load failed, with what the proxy wrote."""
    log = target.log.read_text()[-2000:] if target.log.exists() else ""
    return BenchError(f"{errors.strip()}\n{log}".strip())
