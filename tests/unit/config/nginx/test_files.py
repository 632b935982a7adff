from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastws.config.nginx import files
from fastws.config.nginx.files import Files

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pattern_matches_in_nginxs_order_and_no_hidden_files(tmp_path: Path) -> None:
    for name in ("b.conf", "a.conf", "C.conf", ".hidden.conf", "a.txt"):
        (tmp_path / name).touch()
    found = Files(tmp_path).matching("*.conf")
    assert found == [str(tmp_path / name) for name in ("C.conf", "a.conf", "b.conf")]
    assert Files(tmp_path).matching("*.none") == []


def test_the_name_of_the_folder_is_no_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "[a]"
    folder.mkdir()
    (folder / "x.conf").touch()
    assert Files(folder).matching("*.conf") == [str(folder / "x.conf")]


def test_a_plain_name_need_not_exist_and_may_be_absolute(tmp_path: Path) -> None:
    assert Files(tmp_path).matching("no.conf") == [str(tmp_path / "no.conf")]
    assert Files(tmp_path).matching("/etc/no.conf") == ["/etc/no.conf"]


def test_a_nul_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no NUL"):
        Files(tmp_path).matching("a\0b")


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"caf\xe9")
    text = Files(tmp_path).read(str(file))
    assert text.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_there_are_limits_for_all_files_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * files.MIB)
    monkeypatch.setattr(files, "MOST_BYTES", 2 * files.MIB)
    reading = Files(tmp_path)
    for _ in range(2):
        reading.read(str(file))
    with pytest.raises(ValueError, match="more than 2 MiB in one configuration"):
        reading.take(b"x")
    monkeypatch.setattr(files, "MOST_FILES", 2)
    reading = Files(tmp_path)
    for _ in range(2):
        reading.take(b"")
    with pytest.raises(ValueError, match="more than 2 files in one configuration"):
        reading.take(b"")
