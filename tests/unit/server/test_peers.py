from __future__ import annotations

import pytest

from fastws._board import Board
from fastws.config.model import Address, Config, Server, Upstream
from fastws.errors import FastwsError
from fastws.server.peers import PeerTable


def config(*hosts: str, weight: int = 1, name: str = "u") -> Config:
    servers = tuple(Server(address=Address(host=host, port=1), weight=weight) for host in hosts)
    return Config(upstreams=(Upstream(name=name, servers=servers),))


def table(peers: int = 3) -> PeerTable:
    return PeerTable(Board(workers=1, peers=peers, tunnels=0))


def test_servers_keep_their_places() -> None:
    places = table()
    first = places.assign(config("a", "b"))
    assert len(set(first["u"])) == 2
    places.settle(config("a", "b"))
    assert places.assign(config("b", "a")) == {"u": first["u"][::-1]}
    assert places.address(first["u"][0]) == "a:1"


def test_the_same_address_twice_is_two_servers() -> None:
    one, two = table().assign(config("a", "a"))["u"]
    assert one != two


def test_an_upstream_has_servers_of_its_own() -> None:
    places = table()
    assert places.assign(config("a"))["u"] != places.assign(config("a", name="v"))["v"]


def test_a_place_is_given_away_when_nobody_is_connected_there() -> None:
    places = table(peers=2)
    places.assign(config("a", "b"))
    places.settle(config("b"))
    state = places.state(("u", "ws://a:1", 0))
    state.acquire()
    with pytest.raises(FastwsError, match="there is room for 2 servers"):
        places.assign(config("b", "c"))
    state.release()
    state.count_failure()
    (_, new) = places.assign(config("b", "c"))["u"]
    assert new == state.number
    assert state.failures == 0


def test_the_longest_free_place_goes_first() -> None:
    places = table(peers=2)
    numbers = places.assign(config("a", "b"))["u"]
    places.settle(config("b"))
    places.settle(config())
    assert places.assign(config("c"))["u"] == (numbers[0],)


def test_one_that_comes_back_is_who_it_was() -> None:
    places = table()
    before = places.assign(config("a"))
    places.settle(config("a"))
    places.state(("u", "ws://a:1", 0)).count_failure()
    places.settle(config())
    assert places.assign(config("a")) == before
    assert places.state(("u", "ws://a:1", 0)).failures == 1


def test_another_weight_counts_from_the_moment_it_holds() -> None:
    places = table()
    places.assign(config("a", weight=2))
    places.settle(config("a", weight=2))
    state = places.state(("u", "ws://a:1", 0))
    assert state.gain == 2
    places.assign(config("a", weight=5))
    assert state.gain == 2
    places.settle(config("a", weight=5))
    assert state.gain == 5


def test_servers_have_the_same_places_in_another_process() -> None:
    old = table()
    first = old.assign(config("a", "b"))["u"]
    old.settle(config("a", "b"))
    new = table()
    new.inherit(old.places)
    assert new.assign(config("b", "c", weight=5))["u"] == (first[1], 2)
    new.settle(config("b", "c", weight=5))
    assert new.address(first[0]) == "a:1"
    assert new.state(("u", "ws://b:1", 0)).gain == 5
