from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fastws.errors import FastwsError
from fastws.server.pidfile import PidFile

if TYPE_CHECKING:
    from pathlib import Path


def test_it_names_us_only_once_we_serve(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("7\n")
    file = PidFile(str(path))
    assert path.read_text() == "7\n"
    file.write()
    assert path.read_text() == f"{os.getpid()}\n"
    file.remove()
    assert not path.exists()


@pytest.mark.parametrize("served", [True, False])
def test_one_that_is_another_process_s_is_left_alone(tmp_path: Path, *, served: bool) -> None:
    path = tmp_path / "pid"
    path.write_text("7\n")
    file = PidFile(str(path))
    if served:
        file.write()
    path.write_text("8\n")
    file.remove()
    assert path.read_text() == "8\n"


def test_one_that_was_never_written_is_not_left_empty(tmp_path: Path) -> None:
    PidFile(str(tmp_path / "pid")).remove()
    assert not (tmp_path / "pid").exists()


def test_one_that_cannot_be_written_is_one_line_before_we_serve(tmp_path: Path) -> None:
    with pytest.raises(FastwsError, match=f"^cannot write {tmp_path}/no/pid: No such file"):
        PidFile(f"{tmp_path}/no/pid")


def test_there_need_not_be_one() -> None:
    file = PidFile(None)
    file.write()
    file.remove()
