from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.upstreams import SECOND, leased, peers

from fastws.upstream import passive

if TYPE_CHECKING:
    from fastws.upstream.peer import Peer


class Clock:
    def __init__(self) -> None:
        self.now = 1000 * SECOND

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(passive, "monotonic_ns", made)
    return made


def one(**more: int) -> Peer:
    (peer,) = peers(1, **more)
    return peer


def fail(peer: Peer) -> None:
    leased(peer).failed()


def succeed(peer: Peer) -> None:
    lease = leased(peer)
    lease.answered()
    lease.release()


@pytest.mark.usefixtures("clock")
def test_a_failure_costs_the_trust() -> None:
    peer = one()
    assert peer.available
    fail(peer)
    assert not peer.available


@pytest.mark.usefixtures("clock")
def test_it_takes_as_many_as_were_set() -> None:
    peer = one(max_fails=3)
    for _ in range(2):
        fail(peer)
        assert peer.available
    fail(peer)
    assert not peer.available


def test_failures_do_not_matter_where_none_are_counted() -> None:
    peer = one(max_fails=0)
    for _ in range(3):
        fail(peer)
    assert peer.available
    assert peer.state.gain == 1


def test_after_a_while_there_is_one_trial(clock: Clock) -> None:
    peer = one()
    fail(peer)
    clock.wait(10)
    assert not peer.available
    clock.wait(0.1)
    assert peer.available
    trial = leased(peer)
    assert not peer.available  # to others
    trial.answered()
    assert peer.available


def test_a_failed_trial_costs_as_much_again(clock: Clock) -> None:
    peer = one(max_fails=2)
    fail(peer)
    fail(peer)
    clock.wait(10.1)
    fail(peer)
    assert not peer.available
    clock.wait(9.9)
    assert not peer.available
    clock.wait(0.2)
    assert peer.available


def test_a_trial_that_never_ends_is_followed_by_another(clock: Clock) -> None:
    peer = one()
    fail(peer)
    clock.wait(10.1)
    leased(peer)
    clock.wait(10)
    assert not peer.available
    clock.wait(0.1)
    assert peer.available


def test_an_older_connection_proves_nothing(clock: Clock) -> None:
    peer = one()
    older = leased(peer)
    fail(peer)
    clock.wait(1)
    older.answered()
    assert not peer.available


def test_failures_that_lie_apart_do_not_add_up(clock: Clock) -> None:
    peer = one(max_fails=2)
    fail(peer)
    clock.wait(10.1)
    succeed(peer)
    fail(peer)
    assert peer.available
    clock.wait(5)
    succeed(peer)  # too early to prove anything
    fail(peer)
    assert not peer.available


def test_the_time_is_the_peers_own(clock: Clock) -> None:
    peer = one(fail_timeout=SECOND)
    fail(peer)
    clock.wait(1.1)
    assert peer.available


@pytest.mark.usefixtures("clock")
def test_a_failure_costs_weight() -> None:
    (peer,) = peers(10, max_fails=3)
    fail(peer)
    assert peer.state.gain == 7
    fail(peer)
    fail(peer)
    fail(peer)
    assert peer.state.gain == 0
