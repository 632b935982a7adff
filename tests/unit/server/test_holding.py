from __future__ import annotations

from fastws.config.model import Address
from fastws.server.holding import Holding, pack, unpack


def test_what_is_packed_is_unpacked_as_it_was() -> None:
    first, second = Address(host="a", port=1), Address(path="/b")
    # Any object may stand for a socket here.
    sets = {(first, 0): [["s1", "s2"], ["s3", "s4"]], (first, 1): [["s5"]], (second, 0): [["s6"]]}
    holding, sockets = pack(sets)  # type: ignore[arg-type]
    assert sockets == ["s1", "s2", "s3", "s4", "s5", "s6"]
    assert holding.count == 6
    assert unpack(holding, sockets) == sets


def test_several_go_through_one_list() -> None:
    one, sockets = pack({(Address(port=1), 0): [["s1"]]})  # type: ignore[list-item]
    two, more = pack({(Address(port=2), 0): [["s2"], ["s3"]]})  # type: ignore[list-item]
    rest = iter([*sockets, *more])
    assert unpack(one, rest) == {(Address(port=1), 0): [["s1"]]}
    assert unpack(two, rest) == {(Address(port=2), 0): [["s2"], ["s3"]]}


def test_nothing_is_nothing() -> None:
    assert pack({}) == (Holding(), [])
    assert unpack(Holding(), []) == {}
