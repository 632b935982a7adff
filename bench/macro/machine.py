"""The machine as the kernel describes it: cores, processes, memory. Linux only."""

import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchError

PROC = Path("/proc")


@dataclass(frozen=True)
class Cores:
    """Who runs where."""

    proxy: int
    load: int  # the load generator and the backend


def choose_cores() -> Cores:
    """Take the first core for the proxy and the last for everything else."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchError("two cores are needed: one for the proxy, one for the load generator")
    return Cores(proxy=allowed[0], load=allowed[-1])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Let what is started within the block run on one core, with all its children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_descriptor_limit() -> None:
    """Let what is started from now on open as many connections as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def processor() -> str:
    """Name the processor."""
    for line in (PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def describe() -> dict[str, str | int]:
    """Describe the machine without naming it."""
    return {
        "kernel": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def parents() -> dict[int, int]:
    """Map every process to its parent."""
    found = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended since it was listed
        found[int(path.parent.name)] = int(fields[1])
    return found


def family(pid: int) -> list[int]:
    """List a process and all its descendants."""
    parent_of = parents()
    members = [pid]
    for member in members:
        members += [child for child, parent in parent_of.items() if parent == member]
    return members


def softirq_threads(cores: Cores) -> list[int]:
    """List the kernel threads that take over when a core has much network traffic to deliver."""
    names = {f"ksoftirqd/{cores.proxy}", f"ksoftirqd/{cores.load}"}
    return [pid for pid in parents() if command_name(pid) in names]


def command_name(pid: int) -> str:
    """Give a process's name, or nothing when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@dataclass(frozen=True)
class Memory:
    """Resident memory in KiB: pages shared with others counted whole, and in proportion."""

    rss: float
    pss: float


def memory(pids: list[int]) -> Memory:
    """Add up what the processes hold."""
    return Memory(
        rss=sum(kib(pid, "status", "VmRSS:") for pid in pids),
        pss=sum(kib(pid, "smaps_rollup", "Pss:") for pid in pids),
    )


def kib(pid: int, file: str, label: str) -> int:
    """Read one figure of a process's memory."""
    for line in (PROC / str(pid) / file).read_text().splitlines():
        if line.startswith(label):
            return int(line.split()[1])
    raise BenchError(f"/proc/PID/{file} has no {label}")
