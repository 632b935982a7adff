from __future__ import annotations

from support.upstreams import fill, peers, picks

from fastws.upstream.balancers.backup import Backup
from fastws.upstream.balancers.round_robin import RoundRobin


def test_backups_are_for_when_nobody_else_is_there() -> None:
    a, b, c, d = peers(1, 1, 1, 1, max_conns=1)
    balancer = Backup(RoundRobin([a, b]), RoundRobin([c, d]))
    assert picks(balancer, 4) == "abab"
    assert picks(balancer, 2, a) == "bb"
    assert picks(balancer, 4, a, b) == "cdcd"
    fill(a, 1)
    b.down = True
    assert picks(balancer, 4) == "cdcd"
    fill(a, 0)
    assert picks(balancer, 2) == "aa"
    assert picks(balancer, 1, a, b, c, d) == ""
