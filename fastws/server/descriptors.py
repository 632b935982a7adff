"""How many descriptors a process may have."""

import resource
import sys
from contextlib import suppress


def most_descriptors() -> int:
    """Return how many we may have, after we have asked for as many as the system lets us.

    The soft limit is often low for the sake of programs that use select(2).
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    current, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if current == resource.RLIM_INFINITY else current
