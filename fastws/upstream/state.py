"""What is counted of a peer: plain integers, all in one place."""

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class State:
    """The numbers that balancing and health go by.

    Those of health are written by `fastws.upstream.passive` alone, those of round robin by
    `fastws.upstream.balancers.round_robin`, and the connections by `fastws.upstream.lease`.
    """

    # Those that are under way or open.
    connections: int = 0

    # Health. Times are of the monotonic clock, in nanoseconds.
    failures: int = 0
    failed_at: int = 0
    checked_at: int = 0

    # Smooth weighted round robin: what a peer gains in a round, less than its weight after
    # failures, and what it has.
    gain: int = 1
    credit: int = 0
