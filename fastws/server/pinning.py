"""Keeps a process on one core."""

import os


def pin(place: int) -> None:
    """Run on one of the cores that this process may use: those of others in turn by their places.

    Without effect where the system knows of no such thing. nginx: worker_cpu_affinity auto.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[place % len(cores)]})
