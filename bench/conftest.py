"""What the benchmarks of this directory share."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from .macro.lab import Lab, open_lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Compile wsload and keep its echo backend running."""
    with open_lab() as opened:
        yield opened


@pytest.fixture(scope="session")
def measured() -> dict[str, dict[str, dict[str, float]]]:
    """Keep the figures, by scenario and contender, for ratios."""
    return defaultdict(dict)
