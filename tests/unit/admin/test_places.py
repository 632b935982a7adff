from __future__ import annotations

import os
import socket
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fastws.admin import places
from fastws.errors import FastwsError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No directory but those of a test."""
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    monkeypatch.setattr(places, "_SYSTEM", tmp_path / "system")


def listening(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    return sock


def test_a_service_manager_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{os.getpid()}.sock"
    made = places.default_path()
    assert made == tmp_path / "tmp" / f"fastws-{os.getuid()}" / name
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "user"))
    assert places.default_path() == tmp_path / "user" / "fastws" / name
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}/service:{tmp_path}/other")
    assert places.default_path() == tmp_path / "service" / name


def test_a_folder_among_temporary_files_has_to_be_ours(tmp_path: Path) -> None:
    folder = tmp_path / "tmp" / f"fastws-{os.getuid()}"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(FastwsError, match="others may write there"):
        places.default_path()
    folder.rmdir()
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    with pytest.raises(FastwsError, match="belongs to somebody else"):
        places.default_path()


def test_a_service_managers_folder_may_be_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "link"))
    assert places.default_path().parent == tmp_path / "link"


def test_the_only_one_that_lives_is_found(tmp_path: Path) -> None:
    with pytest.raises(FastwsError, match="no fastws runs here"):
        places.find()
    listening(tmp_path / "system" / "1.sock").close()  # left from a kill
    with closing(listening(tmp_path / "system" / "2.sock")):
        assert places.find() == tmp_path / "system" / "2.sock"
        own = tmp_path / "tmp" / f"fastws-{os.getuid()}" / "3.sock"
        with closing(listening(own)), pytest.raises(FastwsError, match=r"one of .*3\.sock, .*2"):
            places.find()
