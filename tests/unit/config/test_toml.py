from pathlib import Path

import pytest

from fastws.config import toml
from fastws.errors import ConfigError


def refusal(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        toml.load(str(file))
    assert caught.value.origin == str(file)
    return str(caught.value)


def test_a_file_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text('listeners = [":80"]\n[timeouts]\nhead = "5s"\n')
    config = toml.load(str(file))
    assert (config.listeners[0].address.port, config.timeouts.head) == (80, 5.0)


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text("workers = 1\nlisteners = [\n")
    assert "is not TOML" in refusal(file)
    file.write_text("workers = 1\nworkers 2\n")
    assert "line 2" in refusal(file)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no").endswith("no: cannot be read: No such file or directory")
    assert refusal(tmp_path).endswith("cannot be read: Is a directory")


def test_a_file_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "fastws.toml"
    file.write_bytes(b'name = "\xff"')
    assert refusal(file).endswith("is not UTF-8: a wrong byte at offset 8")


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 100_000])
def test_a_hostile_file_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text(text)
    assert "is not TOML" in refusal(file)
