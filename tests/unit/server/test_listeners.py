from __future__ import annotations

import socket
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fastws.config.model import Address, Config, Listener
from fastws.errors import FastwsError
from fastws.server.listeners import Listeners
from fastws.server.messages import Door

if TYPE_CHECKING:
    from pathlib import Path

TCP = Address(host="127.0.0.1")


def config(*addresses: Address) -> Config:
    return Config(listeners=tuple(Listener(address=address) for address in addresses))


@pytest.mark.skipif(sys.platform != "linux", reason="needs SO_REUSEPORT as Linux has it")
def test_each_worker_has_sockets_of_its_own_at_one_port() -> None:
    with closing(Listeners(3).changed_to(config(TCP))) as listeners:
        (address,) = listeners.addresses
        sockets = [sock for place in range(3) for sock in listeners.sockets(place)]
        assert len({sock.fileno() for sock in sockets}) == 3
        assert {sock.getsockname()[1] for sock in sockets} == {address.port}
        assert listeners.doors == (Door(listener=0, sockets=1),)


def test_nobody_else_gets_the_port() -> None:
    with closing(Listeners(2).changed_to(config(TCP))) as listeners:
        with pytest.raises(FastwsError, match="in use"):
            Listeners(2).changed_to(config(*listeners.addresses))


def test_a_unix_socket_is_shared(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with closing(Listeners(2).changed_to(config(Address(path=str(path))))) as listeners:
        assert listeners.sockets(0) == listeners.sockets(1)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


def test_port_0_may_stand_there_more_than_once() -> None:
    with closing(Listeners(1).changed_to(config(TCP, TCP))) as listeners:
        first, second = listeners.addresses
        assert first.port != second.port


def test_others_have_what_is_open_already(tmp_path: Path) -> None:
    path = Address(path=str(tmp_path / "s.sock"))
    with closing(Listeners(2).changed_to(config(TCP))) as old:
        new = old.changed_to(config(path, TCP))
        assert new.sockets(0)[1] is old.sockets(0)[0]
        new.close(keep=old)
        assert not (tmp_path / "s.sock").exists()
        assert old.sockets(0)[0].fileno() != -1


def test_one_that_cannot_be_opened_leaves_none_open(tmp_path: Path) -> None:
    path = Address(path=str(tmp_path / "s.sock"))
    with closing(Listeners(2).changed_to(config(TCP))) as old:
        with pytest.raises(FastwsError):
            old.changed_to(config(TCP, path, Address(host="192.0.2.1", port=1)))
        assert not (tmp_path / "s.sock").exists()
        assert old.sockets(0)[0].fileno() != -1


def test_one_that_is_shut_is_left_out() -> None:
    other = Address(host="127.0.0.2")
    with closing(Listeners(1).changed_to(config(TCP, other), shut={str(TCP)})) as listeners:
        assert listeners.doors == (Door(listener=1, sockets=1),)
        (bound,) = listeners.addresses
        assert listeners.named(bound.authority) == str(other)
        assert listeners.named("127.0.0.1:1") == ""


@pytest.mark.parametrize(("before", "after"), [(2, 2), (1, 2), (3, 2)])
def test_another_process_has_the_same_sockets(tmp_path: Path, before: int, after: int) -> None:
    wanted = config(TCP, Address(path=str(tmp_path / "s.sock")))
    old = Listeners(before).changed_to(wanted)
    held, sockets = old.held()
    theirs = [sock.dup() for sock in sockets]
    heir = Listeners(after)
    heir.inherit(held, theirs)
    with closing(heir.changed_to(wanted)) as new:
        assert new.addresses == old.addresses
        old.release()
        for place in range(after):
            assert all(sock.fileno() != -1 for sock in new.sockets(place))
        used = {sock for place in range(after) for sock in new.sockets(place)}
        assert {sock for sock in theirs if sock.fileno() != -1} == used
        assert (tmp_path / "s.sock").exists()
