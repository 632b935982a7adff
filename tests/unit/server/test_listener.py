from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from fastws.config.model import Address
from fastws.errors import FastwsError
from fastws.server.listener import bind, bound_address, unlink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listen(address: Address, opened: ExitStack) -> list[socket.socket]:
    sockets = bind(address)
    for each in sockets:
        opened.enter_context(closing(each))
    return sockets


def one_line(address: Address) -> str:
    with pytest.raises(FastwsError) as caught:
        bind(address)
    text = str(caught.value)
    assert "\n" not in text
    return text


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class TestTCP:
    @pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
    def test_no_host_is_both_families_on_one_port(self, opened: ExitStack) -> None:
        sockets = listen(Address(), opened)
        assert {each.family for each in sockets} == {socket.AF_INET, socket.AF_INET6}
        (port,) = {each.getsockname()[1] for each in sockets}
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), 5).close()

    def test_a_host_is_one_socket(self, opened: ExitStack) -> None:
        (only,) = listen(Address(host="127.0.0.1"), opened)
        assert only.getsockname()[0] == "127.0.0.1"
        assert only.getblocking() is False

    def test_the_port_that_the_kernel_chose_is_told(self, opened: ExitStack) -> None:
        address = Address(tls=True, host="127.0.0.1")
        sockets = listen(address, opened)
        port = sockets[0].getsockname()[1]
        assert bound_address(address, sockets) == Address(tls=True, host="127.0.0.1", port=port)

    def test_a_port_in_use_is_one_clear_line(self, opened: ExitStack) -> None:
        (taken,) = listen(Address(host="127.0.0.1"), opened)
        port = taken.getsockname()[1]
        text = one_line(Address(host="127.0.0.1", port=port))
        assert text == f"cannot listen on ws://127.0.0.1:{port}: Address already in use"

    def test_a_port_in_use_on_one_family_leaves_nothing_open(self, opened: ExitStack) -> None:
        (taken,) = listen(Address(host="127.0.0.1"), opened)
        port = taken.getsockname()[1]
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        assert "Address already in use" in one_line(Address(port=port))
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    def test_a_foreign_address_is_one_clear_line(self) -> None:
        text = one_line(Address(host="192.0.2.1", port=1))
        assert text == "cannot listen on ws://192.0.2.1:1: Cannot assign requested address"

    def test_an_unknown_name_is_one_clear_line(self) -> None:
        text = one_line(Address(host="nowhere.invalid", port=1))
        assert text.startswith("cannot listen on ws://nowhere.invalid:1: ")

    def test_a_port_is_free_again_at_once(self, opened: ExitStack) -> None:
        (first,) = listen(Address(host="127.0.0.1"), opened)
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), 5):
            accepted = first.accept()[0]
            accepted.close()  # ours closes first, and would hold the port for a minute
            first.close()
        listen(Address(host="127.0.0.1", port=port), opened)


class TestUnix:
    def test_the_socket_is_there_and_listens(self, tmp_path: Path, opened: ExitStack) -> None:
        address = Address(path=str(tmp_path / "s.sock"))
        sockets = listen(address, opened)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s.sock"))
        assert bound_address(address, sockets) is address

    def test_a_stale_socket_is_replaced(self, tmp_path: Path, opened: ExitStack) -> None:
        path = tmp_path / "s.sock"
        listen(Address(path=str(path)), opened)[0].close()
        assert stat.S_ISSOCK(path.stat().st_mode)
        listen(Address(path=str(path)), opened)

    def test_one_that_listens_is_left_alone(self, tmp_path: Path, opened: ExitStack) -> None:
        path = tmp_path / "s.sock"
        (first,) = listen(Address(path=str(path)), opened)
        text = one_line(Address(path=str(path)))
        assert text == f"cannot listen on unix:{path}: Address already in use"
        first.accept()[0].close()  # the probe
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))

    def test_one_with_a_full_backlog_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "s.sock"
        with socket.socket(socket.AF_UNIX) as busy, ExitStack() as waiting:
            busy.bind(str(path))
            busy.listen(0)
            for _ in range(2):
                client = waiting.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect_ex(str(path))
            # would hang for ever on a probe that waits for room
            assert "Address already in use" in one_line(Address(path=str(path)))
        assert path.exists()

    def test_a_file_is_never_removed(self, tmp_path: Path) -> None:
        path = tmp_path / "precious"
        path.write_text("data")
        assert "Address already in use" in one_line(Address(path=str(path)))
        assert path.read_text() == "data"

    def test_a_missing_folder_is_one_clear_line(self, tmp_path: Path) -> None:
        text = one_line(Address(path=str(tmp_path / "gone" / "s.sock")))
        assert text.endswith(": No such file or directory")

    def test_unlink_removes_files_and_minds_nothing_else(
        self, tmp_path: Path, opened: ExitStack
    ) -> None:
        address = Address(path=str(tmp_path / "s.sock"))
        listen(address, opened)
        unlink([Address(host="127.0.0.1", port=1), address, address])
        assert not (tmp_path / "s.sock").exists()
