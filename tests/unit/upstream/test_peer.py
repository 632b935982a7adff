from __future__ import annotations

from support.upstreams import fill, peers

from fastws.config.addresses import read_server_address
from fastws.upstream.peer import Peer, lone_state


def test_a_peer_is_called_by_its_address() -> None:
    peer = Peer(read_server_address("wss://[::1]:8443"), lone_state(1))
    assert str(peer) == peer.name == "[::1]:8443"
    assert Peer(peer.address, lone_state(1), name="::1").name == "::1"


def test_a_peer_is_a_host_to_those_who_name_none() -> None:
    for written, host in (("[::1]:8443", b"[::1]:8443"), ("unix:/run/app", b"localhost")):
        assert Peer(read_server_address(written), lone_state(1)).host == host


def test_a_peer_that_is_down_is_never_available() -> None:
    up, down = peers(1)[0], peers(1, down=True)[0]
    assert up.available
    assert not down.available


def test_a_peer_can_be_full() -> None:
    (peer,) = peers(1, max_conns=2)
    for connections, available in ((0, True), (1, True), (2, False), (3, False), (1, True)):
        fill(peer, connections)
        assert peer.available is available


def test_a_peer_begins_with_its_weight() -> None:
    (peer,) = peers(7)
    assert peer.state.gain == 7
