import gc
import json
import os
from pathlib import Path

import pytest

from fastws.observe.files import Descriptor, LogFiles
from fastws.observe.log import Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(Descriptor(str(tmp_path / "log")), "info", "json")


def times_open(path: Path) -> int:
    """How many descriptors of a file this process has."""
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]  # noqa: PTH208
    return sum(os.path.realpath(link) == str(path) for link in links)


def test_a_file_is_opened_once_and_closed_when_nobody_has_it(tmp_path: Path, log: Log) -> None:
    files = LogFiles(log)
    path = tmp_path / "access"
    first = files.open(str(path))
    assert files.open(str(path)) is first
    assert times_open(path) == 1
    first.write(lambda: b"one\n")
    del first
    gc.collect()
    assert times_open(path) == 0
    files.write(str(path), lambda: b"two\n")
    assert path.read_text() == "one\ntwo\n"


def test_a_file_that_was_moved_is_made_again(tmp_path: Path, log: Log) -> None:
    files = LogFiles(log)
    path = tmp_path / "access"
    file = files.open(str(path))
    file.write(lambda: b"old\n")
    path.rename(tmp_path / "access.1")
    file.write(lambda: b"late\n")
    assert files.reopen() == []
    file.write(lambda: b"new\n")
    assert (tmp_path / "access.1").read_text() == "old\nlate\n"
    assert path.read_text() == "new\n"


def test_what_cannot_be_opened_again_goes_on_as_it_is(tmp_path: Path, log: Log) -> None:
    files = LogFiles(log)
    folder = tmp_path / "logs"
    folder.mkdir()
    file = files.open(str(folder / "access"))
    folder.rename(tmp_path / "away")
    assert files.reopen() == [f"cannot write to {folder / 'access'}: No such file or directory"]
    file.write(lambda: b"line\n")
    assert (tmp_path / "away" / "access").read_text() == "line\n"


def test_a_file_that_is_not_there_any_more_is_told_of(tmp_path: Path, log: Log) -> None:
    path = str(tmp_path / "no" / "access")
    LogFiles(log).write(path, lambda: b"line\n")
    told = json.loads((tmp_path / "log").read_text())
    assert (told["event"], told["file"]) == ("access_log_not_written", path)
    assert told["message"] == "No such file or directory"


def test_lost_lines_are_counted_in_the_log(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LogFiles(log).open("/dev/full")
    for _ in range(3):
        file.write(lambda: b"lost\n")
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(each["event"], each["message"]) for each in told] == [
        ("access_log_not_written", "No space left on device")
    ]
    monkeypatch.setattr(os, "write", lambda _, data: len(data))
    events: list[str] = []
    monkeypatch.setattr(
        log, "warning", lambda event, **fields: events.append((event, fields["count"]))
    )
    file.write(lambda: b"kept\n")
    assert events == [("access_log_lines_lost", 2)]


def test_a_pipe_that_nobody_reads_does_not_make_us_wait(tmp_path: Path, log: Log) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        LogFiles(log).open(str(tmp_path / "pipe"))


def test_the_standard_streams_need_not_be_files(
    capfd: pytest.CaptureFixture[str], log: Log
) -> None:
    LogFiles(log).open("/dev/stdout").write(lambda: b"out\n")
    LogFiles(log).open("/dev/stderr").write(lambda: b"err\n")
    assert capfd.readouterr() == ("out\n", "err\n")
