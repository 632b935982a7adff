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
    with closing(Listeners(3)) as listeners:
        listeners.open(config(TCP))
        (address,) = listeners.addresses
        sockets = [sock for place in range(3) for sock in listeners.sockets(place)]
        assert len({sock.fileno() for sock in sockets}) == 3
        assert {sock.getsockname()[1] for sock in sockets} == {address.port}
        assert listeners.doors == (Door(listener=0, sockets=1),)


def test_nobody_else_gets_the_port() -> None:
    with closing(Listeners(2)) as listeners:
        listeners.open(config(TCP))
        with closing(Listeners(2)) as others, pytest.raises(FastwsError, match="in use"):
            others.open(config(*listeners.addresses))


def test_a_unix_socket_is_shared(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with closing(Listeners(2)) as listeners:
        listeners.open(config(Address(path=str(path))))
        assert listeners.sockets(0) == listeners.sockets(1)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


def test_port_0_may_stand_there_more_than_once() -> None:
    with closing(Listeners(1)) as listeners:
        listeners.open(config(TCP, TCP))
        first, second = listeners.addresses
        assert first.port != second.port
