from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.config.files import why_unreadable, why_unwritable

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_is_there_can_be_read_and_written(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("kept")
    assert (why_unreadable(str(file)), why_unwritable(str(file))) == ("", "")
    assert file.read_text() == "kept"


def test_a_file_that_can_be_made_is_not_made_yet(tmp_path: Path) -> None:
    file = tmp_path / "a"
    assert why_unwritable(str(file)) == ""
    assert not file.exists()
    assert why_unreadable(str(file)) == f"'{file}' cannot be read: No such file or directory"


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    assert why_unreadable(str(tmp_path)).endswith("cannot be read: Is a directory")
    assert why_unwritable(str(tmp_path)).endswith("cannot be written to: Is a directory")
    missing = tmp_path / "none" / "a"
    assert why_unwritable(str(missing)).endswith("cannot be written to: No such file or directory")


def test_a_name_with_a_nul_is_told() -> None:
    assert why_unreadable("a\0b").endswith("embedded null byte")
    assert why_unwritable("a\0b").endswith("cannot be written to: Invalid argument")
