"""What the processes of one proxy count together: one mapping, shared and never grown."""

from typing import Any, final

@final
class Board:
    """Room for so many workers, peers, and open tunnels of each worker. Raises MemoryError.

    What is never used takes no memory.
    """

    def __init__(self, workers: int, peers: int, tunnels: int) -> None: ...
    @property
    def workers(self) -> int:
        """How many workers there is room for."""

    @property
    def peers(self) -> int:
        """How many peers."""

    @property
    def tunnels(self) -> int:
        """How many open tunnels of one worker have a place in its list."""

    def next_number(self) -> int:
        """A number for a tunnel, which no other has."""

    def skip_numbers(self, count: int) -> None:
        """Give none of the next `count` numbers."""

    def peer(self, number: int, *, worker: int = 0) -> PeerState:
        """The state of the peer of that number, for the use of a worker."""

    def worker(self, number: int) -> WorkerCounts:
        """The counts of a worker."""

    def totals(self) -> dict[str, Any]:
        """What all workers counted, those that are gone included."""

    def connections(self) -> int:
        """The downstream connections that are open in all workers."""

    def bury(self, worker: int, *, ending: int) -> list[tuple[int, float, int, str]]:
        """Count out what a worker that is gone left open, and keep what it had counted.

        Returns its open tunnels: number, seconds since they opened, peer, client. They count as
        ended by `ending`.
        """

@final
class PeerState:
    """The numbers that balancing and health of one peer go by.

    Those of health are written by `fastws.upstream.passive` alone, those of round robin by
    `fastws.upstream.balancers.round_robin`. `connections` are those that are under way or open, in
    all workers.
    """

    def __new__(cls, board: Board, number: int, worker: int) -> PeerState: ...
    @property
    def number(self) -> int:
        """The peer's number on the board."""

    def acquire(self, limit: int = 0) -> bool:
        """Count a connection in, unless there are `limit` already (0: no limit); whether it was."""

    def hold(self) -> None:
        """Count in a connection that another worker counts out."""

    def release(self) -> None:
        """Count it out."""

    def count_failure(self) -> None:
        """Count one more."""

    def reset(self, gain: int) -> None:
        """Forget all but the connections."""

    @property
    def connections(self) -> int:
        """Those that are under way or open, in all workers."""

    @property
    def served(self) -> int:
        """Connections so far."""

    failures: int
    failed_at: int
    checked_at: int
    gain: int
    credit: int
    drained: bool

@final
class WorkerCounts:
    """What one worker counts; written by that worker alone."""

    def __new__(cls, board: Board, number: int) -> WorkerCounts: ...
    @property
    def board(self) -> Board:
        """The board that they are on."""

    @property
    def number(self) -> int:
        """The worker's number."""

    def beat(self) -> None:
        """Say that the loop still turns."""

    def connection_opened(self) -> None:
        """Count a downstream connection in."""

    def connection_arrived(self) -> None:
        """Count in one that another worker counts out."""

    def connection_closed(self) -> None:
        """Count it out."""

    def tls_failed(self) -> None:
        """Count one on which TLS was not agreed on."""

    def wait(self, count: int) -> None:
        """Say how many of them have no request."""

    def head_began(self) -> None:
        """Count one of which part of a request's head has come."""

    def head_ended(self) -> None:
        """Count it out."""

    def request_began(self) -> None:
        """Count a request, whatever comes of it."""

    def answered(self, status: int) -> None:
        """Count a request that was answered, and became no tunnel."""

    def tunnel_opened(self, number: int, peer: int, client: str) -> int:
        """Count a tunnel in; returns what it is to be counted out by."""

    def tunnel_arrived(
        self,
        number: int,
        peer: int,
        client: str,
        age: float,
        bytes_in: int,
        bytes_out: int,
        messages_in: int,
        messages_out: int,
    ) -> int:
        """Count in one that another worker counts out, which opened so many seconds ago.

        What went through it there is counted there.
        """

    def tunnel_left(
        self, place: int, bytes_in: int, bytes_out: int, messages_in: int, messages_out: int
    ) -> None:
        """Count it out, with what went through it: another worker counts it in."""

    def tunnel_ended(
        self,
        place: int,
        ending: int,
        bytes_in: int,
        bytes_out: int,
        messages_in: int,
        messages_out: int,
    ) -> None:
        """Count it out, with what went through it."""

    def publish(self, bytes_in: int, bytes_out: int, messages_in: int, messages_out: int) -> None:
        """Let others see the traffic: that of the open tunnels is given."""

    def peer(self, number: int) -> PeerState:
        """The state of the peer of that number, for the use of this worker."""

    @property
    def beats(self) -> int:
        """How often the worker said that its loop still turns."""

    @property
    def connections(self) -> int:
        """Downstream connections that are open."""

    @property
    def tunnels(self) -> int:
        """Tunnels that are open."""

    @property
    def movable(self) -> int:
        """Those of them that could go to another worker, as it was last told."""

    @movable.setter
    def movable(self, count: int) -> None: ...
    def numbers(self) -> dict[str, Any]:
        """All of it, by name; statuses and endings that occurred by their numbers."""
