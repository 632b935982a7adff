"""How long tests wait for what has to come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds after which nothing is expected any more: it only ends tests that would hang, so that it
# has to do for a slow machine that is busy with other things.
PATIENCE = 60.0
# Where a time limit of the product is set to a second or less: it must have come true by then, and
# would not have by the default, which is longer.
SOON = 10.0


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Poll what sends no event (/proc, a file); whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(held)
