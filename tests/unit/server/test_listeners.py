from __future__ import annotations

import socket
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fastws.config.model import Address, Config, Listener
from fastws.errors import FastwsError
from fastws.server.listeners import Listeners

if TYPE_CHECKING:
    from pathlib import Path

TCP = Address(host="127.0.0.1")


def config(*addresses: Address) -> Config:
    return Config(listeners=tuple(Listener(address=address) for address in addresses))


@pytest.mark.skipif(sys.platform != "linux", reason="needs SO_REUSEPORT as Linux has it")
def test_each_worker_has_sockets_of_its_own_at_one_port() -> None:
    with closing(Listeners().changed_to(config(TCP), 3)) as listeners:
        (address,) = listeners.addresses
        doors = [door for place in range(3) for door in listeners.doors(place)]
        assert {listener for listener, _ in doors} == {0}
        assert len({sock.fileno() for _, sock in doors}) == 3
        assert {sock.getsockname()[1] for _, sock in doors} == {address.port}
        assert listeners.doors(3) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs SO_REUSEPORT as Linux has it")
@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ((1, 3), [1, 1, 1]),
        ((2, 4), [1, 1, 1, 1]),
        ((4, 2), [2, 2]),
        ((3, 2), [2, 2]),
        ((3, 1), [3]),
        ((4, 3, 4), [2, 2, 2, 2]),
        ((9, 2), [5, 4]),  # as uneven as it may be, or their number would grow for ever
    ],
)
def test_others_share_all_sockets_that_there_ever_were(
    counts: tuple[int, ...], shares: list[int]
) -> None:
    listeners, ever = Listeners(), set()
    for count in counts:
        listeners, old = listeners.changed_to(config(TCP), count), listeners
        old.close(keep=listeners)
        shared = [listeners.doors(place) for place in range(count)]
        now = {sock for doors in shared for _, sock in doors}
        assert ever <= now
        ever |= now
    with closing(listeners):
        assert [len(doors) for doors in shared] == shares
        assert sum(shares) == len(ever)
        assert all(sock.fileno() != -1 for sock in ever)


def test_workers_may_come_and_go_for_ever() -> None:
    listeners = Listeners()
    for count in (8, 7, 6, 5) * 20:
        listeners, old = listeners.changed_to(config(TCP), count), listeners
        old.close(keep=listeners)
    with closing(listeners):
        assert len({sock for place in range(5) for _, sock in listeners.doors(place)}) <= 5 * 8


def test_nobody_else_gets_the_port() -> None:
    with closing(Listeners().changed_to(config(TCP), 2)) as listeners:
        with pytest.raises(FastwsError, match="in use"):
            Listeners().changed_to(config(*listeners.addresses), 2)


def test_a_unix_socket_is_shared(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with closing(Listeners().changed_to(config(Address(path=str(path))), 2)) as listeners:
        assert listeners.doors(0) == listeners.doors(1) != []
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


def test_port_0_may_stand_there_more_than_once() -> None:
    with closing(Listeners().changed_to(config(TCP, TCP), 1)) as listeners:
        first, second = listeners.addresses
        assert first.port != second.port


def test_others_have_what_is_open_already(tmp_path: Path) -> None:
    path = Address(path=str(tmp_path / "s.sock"))
    with closing(Listeners().changed_to(config(TCP), 2)) as old:
        new = old.changed_to(config(path, TCP), 3)
        ((_, mine),) = old.doors(0)
        assert new.doors(0)[1] == (1, mine)
        ((_, added),) = new.doors(2)[1:]
        new.close(keep=old)
        assert not (tmp_path / "s.sock").exists()
        assert mine.fileno() != -1
        assert added.fileno() == -1


def test_one_that_cannot_be_opened_leaves_none_open(tmp_path: Path) -> None:
    path = Address(path=str(tmp_path / "s.sock"))
    with closing(Listeners().changed_to(config(TCP), 2)) as old:
        with pytest.raises(FastwsError):
            old.changed_to(config(TCP, path, Address(host="192.0.2.1", port=1)), 2)
        assert not (tmp_path / "s.sock").exists()
        assert old.doors(0)[0][1].fileno() != -1


def test_one_that_is_shut_is_left_out() -> None:
    other = Address(host="127.0.0.2")
    with closing(Listeners().changed_to(config(TCP, other), 1, shut={str(TCP)})) as listeners:
        assert [number for number, _ in listeners.doors(0)] == [1]
        (bound,) = listeners.addresses
        assert listeners.named(bound.authority) == str(other)
        assert listeners.named("127.0.0.1:1") == ""


@pytest.mark.parametrize(("before", "after"), [(2, 2), (1, 2), (3, 2)])
def test_another_process_has_the_same_sockets(tmp_path: Path, before: int, after: int) -> None:
    wanted = config(TCP, Address(path=str(tmp_path / "s.sock")))
    old = Listeners().changed_to(wanted, before)
    held, sockets = old.held()
    theirs = [sock.dup() for sock in sockets]
    heir = Listeners()
    heir.inherit(held, theirs)
    with closing(heir.changed_to(wanted, after)) as new:
        assert new.addresses == old.addresses
        old.release()
        used = {sock for place in range(after) for _, sock in new.doors(place)}
        assert used >= set(theirs)
        assert all(sock.fileno() != -1 for sock in used)
        assert (tmp_path / "s.sock").exists()


def test_what_somebody_else_opened_stays_open(tmp_path: Path) -> None:
    """And can be served at again, by us or by who comes next."""
    path = tmp_path / "s.sock"
    wanted = config(Address(path=str(path)))
    with socket.socket(socket.AF_UNIX) as given:
        given.bind(str(path))
        given.listen()
        listeners = Listeners([given])
        for _ in range(2):
            listeners, old = listeners.changed_to(wanted, 2), listeners
            old.close(keep=listeners)
            assert listeners.doors(0) == listeners.doors(1) != []
            listeners, old = listeners.changed_to(config(), 2), listeners
            old.close(keep=listeners)
            assert listeners.doors(0) == []
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
