from __future__ import annotations

from support.upstreams import leased, peers


def test_a_lease_counts_until_it_is_released() -> None:
    (peer,) = peers(1)
    first, second = leased(peer), leased(peer)
    assert peer.state.connections == 2
    first.release()
    first.release()
    assert peer.state.connections == 1
    second.answered()
    assert peer.state.connections == 1
    second.release()
    assert peer.state.connections == 0


def test_a_failure_releases() -> None:
    (peer,) = peers(1)
    lease = leased(peer)
    lease.failed()
    lease.release()
    assert (peer.state.connections, peer.state.failures) == (0, 1)
