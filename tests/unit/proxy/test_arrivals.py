"""Whose tunnels are taken from another process, and what becomes of their servers here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fastws._board import Board
from fastws.config.model import Address
from fastws.errors import FastwsError
from fastws.proxy.arrivals import Arrivals
from fastws.proxy.ticket import Ticket


def context(**more: Any) -> Any:
    counts = Board(1, 4, 8).worker(0)
    loop = SimpleNamespace(time=lambda: 1000.0)
    return SimpleNamespace(
        **{"counts": counts, "loop": loop, "leaving": False, "full": False, **more}
    )


def ticket(number: int, peer: int, host: str = "a") -> Ticket:
    address = Address(host=host, port=80)
    return Ticket(number, "192.0.2.1:50", "ws://:80", peer, address, 3.5, (1, 2, 3, 4))


def test_a_tunnel_keeps_its_server_which_those_to_the_same_one_share() -> None:
    worker = context()
    arrivals = Arrivals(worker)
    one, other, third = (
        arrivals.passage(each) for each in (ticket(1, 2), ticket(2, 3, "b"), ticket(3, 2))
    )
    assert (str(one.peer), str(other.peer)) == ("a:80", "b:80")
    assert one.peer is third.peer
    assert [worker.counts.peer(number).connections for number in (2, 3)] == [2, 1]
    assert (worker.counts.connections, worker.counts.tunnels) == (3, 3)


@pytest.mark.parametrize("state", ["leaving", "full"])
def test_who_takes_nobody_says_so(state: str) -> None:
    worker = context(**{state: True})
    with pytest.raises(FastwsError, match="no more tunnels are taken here"):
        Arrivals(worker).passage(ticket(1, 2))
    assert (worker.counts.connections, worker.counts.tunnels) == (0, 0)
    assert worker.counts.peer(2).connections == 0
