from pathlib import Path
from typing import Any

import pytest

from fastws.config.nginx.check import read
from fastws.config.nginx.findings import Level


def raw(text: str, folder: Path) -> dict[str, Any]:
    reading = read(str(folder / "f"), text.encode())
    assert reading.errors == []
    return reading.raw


def test_a_log_is_named_once_for_each_file_and_format(tmp_path: Path) -> None:
    found = raw(
        "log_format short escape=json '$status';"
        "access_log a; access_log a short; access_log b combined if=$arg_a; server { }",
        tmp_path,
    )
    logs = {each["name"].rpartition("/")[2]: each for each in found["access_logs"]}
    assert list(logs) == ["a", "a (2)", "b"]
    assert logs["a (2)"]["format"] == "$status"
    assert logs["a (2)"]["escape"] == "json"
    assert logs["b"]["when"] == "$arg_a"


def test_a_level_hides_the_logs_around_it(tmp_path: Path) -> None:
    found = raw("access_log a; server { access_log b; }", tmp_path)
    assert [Path(each["name"]).name for each in found["access_logs"]] == ["b"]


@pytest.mark.parametrize(
    ("path", "level"),
    [("syslog:server=1.2.3.4", Level.LEFT_OUT), ("none/a", Level.WARNING)],
)
def test_a_log_that_is_not_written(path: str, level: Level, tmp_path: Path) -> None:
    reading = read(
        str(tmp_path / "f"), f"access_log {path}; server {{ location / {{ }} }}".encode()
    )
    assert "access_logs" not in reading.raw
    assert [each.level for each in reading.findings if "access_log" in each.what] == [level]


@pytest.mark.parametrize(
    ("text", "log"),
    [
        ("error_log stderr warn;", {}),
        ("error_log stderr debug;", {"level": "debug"}),
        ("error_log none/e crit;", {}),
    ],
)
def test_what_is_taken_of_error_log(text: str, log: dict[str, str], tmp_path: Path) -> None:
    assert raw(f"{text} server {{ }}", tmp_path).get("log", {}) == log


def test_the_file_of_error_log(tmp_path: Path) -> None:
    assert raw("error_log e; server { }", tmp_path)["log"] == {"file": str(tmp_path / "e")}


def test_a_pid_file_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    text = "pid {}; events {{ }} http {{ server {{ }} }}"
    assert raw(text.format("p"), tmp_path)["pid"] == str(tmp_path / "p")
    assert "pid" not in raw(text.format("none/p"), tmp_path)
