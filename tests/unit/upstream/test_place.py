from __future__ import annotations

import socket
import sys

import pytest

from fastws.config.addresses import read_server_address
from fastws.upstream.place import pack, pack_address


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_packed_address_is_what_connect_wants(host: str) -> None:
    address = read_server_address(f"ws://{host}:8080")
    place = pack_address(address)
    assert place is not None
    family = int.from_bytes(place[:2], sys.byteorder)
    assert family == (socket.AF_INET6 if ":" in host else socket.AF_INET)
    assert place[2:4] == (8080).to_bytes(2, "big")
    assert socket.inet_pton(family, address.host) in place


def test_a_path_ends_in_a_nul() -> None:
    place = pack_address(read_server_address("unix:/run/app.sock"))
    assert place is not None
    assert place[2:] == b"/run/app.sock\0"


def test_a_name_is_for_others_to_look_up() -> None:
    assert pack_address(read_server_address("ws://backend.internal:80")) is None


def test_a_scope_goes_along() -> None:
    place = pack(socket.AF_INET6, ("fe80::1%lo", 80, 0, 7))
    assert place[-4:] == (7).to_bytes(4, sys.byteorder)
    assert socket.inet_pton(socket.AF_INET6, "fe80::1") in place
