"""What can go wrong in a benchmark."""


class BenchError(Exception):
    """A run that gives no figure: the benchmark ends, nothing is recorded for it."""
