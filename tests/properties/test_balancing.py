"""What holds for every method of balancing, whatever happens to the peers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.upstreams import Asked, Asker, fill, leased, peers, picks

from fastws.config import model
from fastws.config.balance import read_balance
from fastws.upstream.balancers.consistent_hash import ConsistentHash
from fastws.upstream.balancers.round_robin import RoundRobin
from fastws.upstream.group import Upstream

if TYPE_CHECKING:
    from fastws.upstream.lease import Lease
    from fastws.upstream.peer import Peer

METHODS = [
    "round_robin",
    "least_conn",
    "ip_hash",
    "hash $request_uri",
    "hash $request_uri consistent",
    "random",
    "random two",
    "least_conn; sticky cookie id",
]

weights = st.lists(st.integers(1, 20), min_size=1, max_size=6)
clients = st.builds(
    Asker,
    st.ip_addresses().map(str) | st.just(""),
    st.builds(Asked, st.binary(max_size=8).map(lambda tail: b"/" + tail)),
)


def group(balance: str, weights: list[int], **more: int) -> Upstream:
    servers = tuple(
        model.Server(address=model.Address(host=name, port=80), weight=weight, **more)
        for name, weight in zip("abcdef", weights, strict=False)
    )
    return Upstream(model.Upstream(name="u", servers=servers, balance=read_balance(balance)))


@pytest.mark.parametrize("balance", METHODS)
@given(weights=weights, client=clients, data=st.data())
def test_each_peer_that_can_be_picked_is_picked_once(
    balance: str, weights: list[int], client: Asker, data: st.DataObject
) -> None:
    upstream = group(balance, weights, max_conns=1)
    can = set()
    for peer in upstream.peers:
        state = data.draw(st.sampled_from(["well", "down", "full", "failed"]))
        peer.down = state == "down"
        fill(peer, int(state == "full"))
        peer.max_fails = 1
        if state == "failed":
            leased(peer).failed()
        if state == "well":
            can.add(peer)
    tried: list[Peer] = []
    while lease := upstream.lease(tried, client):
        assert lease.peer not in tried
        tried.append(lease.peer)
    assert set(tried) == can


@given(weights, st.integers(1, 3))
def test_rounds_are_fair(weights: list[int], rounds: int) -> None:
    counts = Counter(picks(RoundRobin(peers(*weights)), rounds * sum(weights)))
    assert [counts[name] for name in "abcdef"[: len(weights)]] == [rounds * w for w in weights]


@given(weights, st.integers(0, 200))
def test_nobody_is_far_from_its_share_at_any_time(weights: list[int], count: int) -> None:
    counts = Counter(picks(RoundRobin(peers(*weights)), count))
    for name, weight in zip("abcdef", weights, strict=False):
        assert abs(counts[name] - count * weight / sum(weights)) < len(weights)


@given(weights, st.data())
def test_only_the_keys_of_the_one_that_goes_move(weights: list[int], data: st.DataObject) -> None:
    assume(len(weights) > 1)
    everyone = peers(*weights)
    gone = data.draw(st.sampled_from(everyone))

    def uri(client: Asker) -> bytes:
        return client.request.target

    before = ConsistentHash(everyone, uri)
    after = ConsistentHash([peer for peer in everyone if peer is not gone], uri)
    for i in range(50):
        client = Asker(request=Asked(b"/%d" % i))
        was, now = before.pick((), client), after.pick((), client)
        assert was in (gone, now)


class Leases(RuleBasedStateMachine):
    """Leases of an upstream come and go in any order."""

    balance = "round_robin"

    def __init__(self) -> None:
        super().__init__()
        self.upstream = group(self.balance, [3, 1, 2], max_conns=3)
        self.open: list[Lease] = []

    @rule(client=clients)
    def begin(self, client: Asker) -> None:
        usable = [peer for peer in self.upstream.peers if peer.available]
        lease = self.upstream.lease((), client)
        assert (lease is not None) == bool(usable)
        if lease:
            assert lease.peer in usable
            self.open.append(lease)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), fails=st.booleans())
    def end(self, data: st.DataObject, fails: bool) -> None:  # noqa: FBT001
        lease = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        if fails:
            lease.failed()
        else:
            lease.answered()
        lease.release()

    @invariant()
    def connections_are_leases(self) -> None:
        for peer in self.upstream.peers:
            count = sum(lease.peer is peer for lease in self.open)
            assert peer.state.connections == count <= 3
            assert 0 <= peer.state.gain <= peer.weight


class LeastConnLeases(Leases):
    balance = "least_conn"


TestLeases = Leases.TestCase
TestLeastConnLeases = LeastConnLeases.TestCase
