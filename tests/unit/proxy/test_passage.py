"""What is counted and logged of a tunnel, here and where it moves to."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fastws._board import Board
from fastws._relay import Ending
from fastws.config.model import Address
from fastws.proxy.passage import Arrival, Passage
from fastws.proxy.trace import Record, Trace
from fastws.upstream.lease import Lease, take
from fastws.upstream.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST: Any = SimpleNamespace(target=b"/chat", host=b"example.com")
AGREED: Any = SimpleNamespace(protocol=None)
WHO = Arrival("192.0.2.1:50", "10.0.0.9:51", "ws://:80")


@dataclass
class Counts:
    forwarded: int
    messages: int


@dataclass
class Report:
    """A tunnel that its client closed."""

    ending: int = int(Ending.CLIENT_CLOSED)
    code: int = 1000
    reason: bytes = b""
    upward: Counts = field(default_factory=lambda: Counts(100, 3))
    downward: Counts = field(default_factory=lambda: Counts(200, 5))


class Worker:
    """What the passages of a worker share, with a clock that the test sets."""

    def __init__(self, board: Board, number: int = 0, *, thorough: bool = True) -> None:
        self.board = board
        self.counts = board.worker(number)
        self.loop = self
        self.now = 1000.0
        self.access_log = self
        self.log_files = self
        self.thorough = thorough
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.lines: list[tuple[str, bytes]] = []

    def time(self) -> float:
        return self.now

    def opened(self, **fields: Any) -> None:
        self.logged.append(("opened", fields))

    def closed(self, **fields: Any) -> None:
        """Log the end of a tunnel, or count a connection out."""
        if fields:
            self.logged.append(("closed", fields))
        else:
            self.counts.connection_closed()

    def write(self, path: str, line: Callable[[], bytes]) -> None:
        self.lines.append((path, line()))

    def leased(self) -> Lease:
        """A connection to the only server."""
        lease = take(self.peer())
        assert lease
        return lease

    def peer(self) -> Peer:
        return Peer(Address(host="a", port=80), self.counts.peer(0))

    def passage(self, record: Record | None = None) -> Passage:
        self.counts.connection_opened()
        return Passage(self, WHO, self.leased(), record)  # type: ignore[arg-type]

    def arrived(self, ticket: Any) -> Passage:
        return Passage.arrived(self, ticket, self.peer())  # type: ignore[arg-type]


@pytest.fixture
def board() -> Board:
    return Board(2, 1, 8)


def open_now(board: Board) -> tuple[int, int, int]:
    """Downstream connections, tunnels, and connections to the server."""
    return board.connections(), board.totals()["tunnels"], board.peer(0).connections


def test_a_tunnel_is_counted_until_it_is_over(board: Board) -> None:
    worker = Worker(board)
    passage = worker.passage()
    assert open_now(board) == (1, 1, 1)
    passage.over(Report())
    assert open_now(board) == (0, 0, 0)
    worker.counts.publish(0, 0, 0, 0)
    totals = board.totals()
    assert (totals["opened"], totals["ended"]) == (1, {int(Ending.CLIENT_CLOSED): 1})
    assert (totals["bytes_in"], totals["bytes_out"]) == (100, 200)
    assert (totals["messages_in"], totals["messages_out"]) == (3, 5)


def test_a_tunnel_has_a_line_when_it_opens_and_one_when_it_ends(board: Board) -> None:
    worker = Worker(board)
    passage, other = worker.passage(), worker.passage()
    passage.announce(REQUEST, AGREED)
    worker.now += 2.5
    report = Report()
    passage.over(report)
    (opened, first), (closed, second) = worker.logged
    assert (opened, closed) == ("opened", "closed")
    for fields in (first, second):
        assert (fields["client"], fields["via"]) == (WHO.client, WHO.via)
        assert str(fields["upstream"]) == "a:80"
    assert first["number"] == second["number"]
    assert (first["host"], first["target"], first["protocol"]) == (b"example.com", b"/chat", b"")
    assert (second["duration"], second["report"]) == (2.5, report)
    other.over(report)
    assert worker.logged[-1][1]["number"] != first["number"]


def test_nothing_is_said_to_a_log_that_nobody_reads(board: Board) -> None:
    worker = Worker(board, thorough=False)
    passage = worker.passage()
    passage.announce(REQUEST, AGREED)
    passage.over(Report())
    assert worker.logged == []
    assert board.totals()["opened"] == 1


def test_lines_of_access_logs_are_finished_at_the_end(board: Board) -> None:
    worker = Worker(board)
    trace = Trace(began=999.0, sent=20)
    lines = [("log", [(b"sent ", "bytes_sent"), (b" ok ", "request_completion"), (b".", "")])]
    passage = worker.passage(Record(trace, lines))
    assert worker.lines == []
    passage.over(Report())
    assert worker.lines == [("log", b"sent 220 ok OK.")]


def test_in_another_process_it_is_the_same_tunnel(board: Board) -> None:
    """Its number, its client, its server and its age go with it, and its record."""
    here, there = Worker(board, 0), Worker(board, 1)
    record = Record(Trace(sent=20), [("log", [(b"", "bytes_sent")])])
    passage = here.passage(record)
    passage.announce(REQUEST, AGREED)
    here.now += 60
    there.now = 7.0
    traffic = (10, 20, 1, 2)
    ticket = passage.ticket(traffic)
    moved = there.arrived(ticket)
    passage.left(traffic)
    assert open_now(board) == (1, 1, 1)
    assert (here.counts.tunnels, there.counts.tunnels) == (0, 1)
    assert (moved.door, str(moved.peer)) == (WHO.door, "a:80")
    there.now += 1
    moved.over(Report())
    assert open_now(board) == (0, 0, 0)
    (_, fields), (_, first) = there.logged[0], here.logged[0]
    assert (fields["client"], fields["via"]) == (WHO.client, WHO.via)
    assert (fields["number"], fields["duration"]) == (first["number"], 61)
    assert there.lines == [("log", b"220")]
    for worker in (here, there):
        worker.counts.publish(0, 0, 0, 0)
    totals = board.totals()
    assert (totals["opened"], totals["bytes_in"], totals["messages_out"]) == (1, 100, 5)
