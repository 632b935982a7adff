"""Numbers that processes share: what is summed, what is exact, what a killed process leaves."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from fastws._board import Board

if TYPE_CHECKING:
    from collections.abc import Callable


def board(*, workers: int = 2, peers: int = 4, tunnels: int = 3) -> Board:
    return Board(workers=workers, peers=peers, tunnels=tunnels)


def forked(action: Callable[[], object]) -> int:
    """Begin `action` in a process of its own; its pid."""
    pid = os.fork()
    if pid:
        return pid
    with suppress(BaseException):
        action()
        os._exit(0)
    os._exit(1)


def in_processes(*actions: Callable[[], object]) -> None:
    """Run all of them at once, and wait for them."""
    for pid in [forked(action) for action in actions]:
        assert os.waitpid(pid, 0)[1] == 0


def test_connections_are_those_of_all_workers() -> None:
    shared = board()
    first, second = shared.peer(1, worker=0), shared.peer(1, worker=1)
    assert first.acquire()
    assert first.acquire()
    assert second.acquire()
    first.release()
    assert first.connections == second.connections == 2
    assert shared.peer(0).connections == shared.peer(2).connections == 0
    assert first.served == 3


def test_a_limit_is_one_of_all_workers() -> None:
    shared = board()
    first, second = shared.peer(0, worker=0), shared.peer(0, worker=1)
    assert first.acquire(2)
    assert second.acquire(2)
    assert not first.acquire(2)
    assert not second.acquire(2)
    second.release()
    assert first.acquire(2)


def test_a_limit_is_exact_while_workers_compete() -> None:
    shared = board(workers=4)
    limit, rounds = 3, 3000

    def compete(worker: int) -> None:
        peer = shared.peer(0, worker=worker)
        held = 0
        for number in range(rounds):
            if peer.acquire(limit):
                held += 1
            # Claims that are about to be withdrawn are seen too: one of each other worker.
            assert peer.connections <= limit + 3
            assert held <= limit
            if held and number % 3:
                peer.release()
                held -= 1
        for _ in range(held):
            peer.release()

    in_processes(*(lambda worker=worker: compete(worker) for worker in range(4)))
    assert shared.peer(0).connections == 0
    assert shared.peer(0).acquire(limit)


def test_nothing_is_lost_between_processes() -> None:
    shared = board()

    def count(worker: int) -> None:
        peer, counts = shared.peer(0, worker=worker), shared.worker(worker)
        for _ in range(10_000):
            peer.acquire()
            peer.count_failure()
            counts.connection_opened()

    in_processes(lambda: count(0), lambda: count(1))
    assert shared.peer(0).connections == shared.peer(0).failures == 20_000
    assert shared.connections() == shared.totals()["accepted"] == 20_000


def test_numbers_are_given_once() -> None:
    shared = board()
    reader, writer = os.pipe()

    def take() -> None:
        os.write(writer, b"".join(b"%8d" % shared.next_number() for _ in range(400)))

    in_processes(take, take)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    assert sorted(data[i : i + 8] for i in range(0, len(data), 8)) == [
        b"%8d" % i for i in range(1, 801)
    ]


def test_what_a_killed_worker_left_is_counted_out() -> None:
    shared = board()
    stays, goes = shared.peer(2, worker=0), shared.peer(2, worker=1)
    stays.acquire()
    goes.acquire()
    counts = shared.worker(1)
    counts.connection_opened()
    counts.answered(404)
    for number, client in ((7, "192.0.2.1:50"), (8, "[2001:db8::1]:50"), (9, "unix:")):
        place = counts.tunnel_opened(number, 2, client)
        if number == 8:
            counts.tunnel_ended(place, 1, 10, 20, 1, 2)
    counts.publish(5, 6, 7, 8)

    lost = shared.bury(1, ending=9)
    assert [(number, peer, client) for number, _, peer, client in lost] == [
        (7, 2, "192.0.2.1:50"),
        (9, 2, "unix:"),
    ]
    assert all(0 <= seconds < 60 for _, seconds, _, _ in lost)
    assert stays.connections == 1
    assert shared.connections() == 0
    assert shared.worker(1).tunnels == 0
    totals = shared.totals()
    assert (totals["accepted"], totals["opened"], totals["tunnels"]) == (1, 3, 0)
    assert (totals["bytes_in"], totals["messages_out"]) == (15, 10)
    assert totals["answers"] == {404: 1}
    assert totals["ended"] == {1: 1, 9: 2}
    assert shared.bury(1, ending=9) == []
    assert shared.totals() == totals


def test_tunnels_beyond_the_list_are_counted_all_the_same() -> None:
    shared = board(tunnels=1)
    counts = shared.worker(0)
    first, second = (counts.tunnel_opened(number, 0, "a") for number in (1, 2))
    assert counts.tunnels == 2
    counts.tunnel_ended(second, 1, 0, 0, 0, 0)
    counts.tunnel_ended(first, 1, 0, 0, 0, 0)
    counts.tunnel_opened(3, 0, "b" * 100)
    ((number, _, _, client),) = shared.bury(0, ending=9)
    assert (number, client) == (3, "b" * 51)


def test_traffic_only_grows() -> None:
    counts = board().worker(0)
    place = counts.tunnel_opened(1, 0, "a")
    counts.publish(100, 0, 1, 0)
    counts.tunnel_ended(place, 1, 150, 0, 2, 0)
    assert counts.numbers()["bytes_in"] == 100
    counts.publish(0, 0, 0, 0)
    assert (counts.numbers()["bytes_in"], counts.numbers()["messages_in"]) == (150, 2)


def test_a_tunnel_that_moves_counts_once() -> None:
    shared = board()
    source, target = shared.worker(0), shared.worker(1)
    leaves, arrives = shared.peer(0, worker=0), shared.peer(0, worker=1)
    leaves.acquire()
    source.connection_opened()
    place = source.tunnel_opened(7, 0, "192.0.2.1:50")
    source.publish(100, 200, 3, 4)
    arrives.hold()
    target.connection_arrived()
    place, gone = target.tunnel_arrived(7, 0, "192.0.2.1:50", 1000, 100, 200, 3, 4), place
    leaves.release()
    source.connection_closed()
    source.tunnel_left(gone, 100, 200, 3, 4)
    source.publish(0, 0, 0, 0)
    target.publish(150, 260, 4, 6)
    assert (leaves.connections, leaves.served) == (1, 1)
    assert (source.connections, target.connections) == (0, 1)
    assert (source.tunnels, target.tunnels) == (0, 1)
    assert [target.numbers()[name] for name in ("accepted", "opened", "bytes_in")] == [0, 0, 50]
    totals = shared.totals()
    assert (totals["accepted"], totals["opened"], totals["tunnels"]) == (1, 1, 1)
    assert (totals["bytes_in"], totals["bytes_out"]) == (150, 260)
    assert (totals["messages_in"], totals["messages_out"]) == (4, 6)
    assert shared.bury(0, ending=9) == []
    ((number, seconds, _, client),) = shared.bury(1, ending=9)
    assert (number, client) == (7, "192.0.2.1:50")
    assert 1000 <= seconds < 1060
    assert place == gone


def test_a_reset_keeps_the_connections() -> None:
    peer = board().peer(0)
    peer.acquire()
    peer.count_failure()
    peer.drained = True
    peer.credit = -5
    peer.reset(3)
    assert (peer.connections, peer.served, peer.gain) == (1, 1, 3)
    assert (peer.failures, peer.credit, peer.drained) == (0, 0, False)


def test_there_is_no_room_beyond_what_was_asked_for() -> None:
    shared = board()
    for wrong in (lambda: shared.peer(4), lambda: shared.peer(0, worker=2)):
        with pytest.raises(IndexError):
            wrong()
    for wrong in (lambda: shared.worker(2), lambda: shared.peer(-1)):
        with pytest.raises(IndexError):
            wrong()
