"""What can go wrong in a benchmark."""


class BenchError(Exception):
    """A run that gives no figure: the benchmark ends, nothing is recorded for it."""


class NotInstalledError(BenchError):
    """A proxy that is not there: it is left out, and the rest is measured."""


class UnclearError(BenchError):
    """Two clocks that disagree about a measurement: it is taken again."""
