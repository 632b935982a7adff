import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import PATIENCE, SOON

from fastws.observe import log as module
from fastws.observe import writer
from fastws.observe.log import Log

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def fill(fd: int) -> int:
    os.set_blocking(fd, False)
    written = 0
    try:
        while True:
            written += os.write(fd, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(fd, True)
    return written


def drain(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(fd, size - len(data))
    return data


def words(**fields: object) -> str:
    return module._text_line(0, "info", "e", fields).decode("ascii")[:-1].split(" ", 3)[3]


async def readable(fd: int) -> None:
    """Wait until the log has written something."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(fd, event.set)
    try:
        await asyncio.wait_for(event.wait(), PATIENCE)
    finally:
        loop.remove_reader(fd)


def test_a_line_of_text(pipe: tuple[int, int]) -> None:
    Log(pipe[1]).info("tunnel_opened", id=7, client="127.0.0.1:5555", target=b'/ws?x="1"')
    line = os.read(pipe[0], 4096).decode()
    assert re.fullmatch(
        STAMP + r' info tunnel_opened id=7 client=127\.0\.0\.1:5555 target="/ws\?x=\\x221\\x22"\n',
        line,
    )


def test_a_line_of_json(pipe: tuple[int, int]) -> None:
    Log(pipe[1], "info", "json").error("lost", code=1006, reason=b"\xff\n", peer=None, clean=False)
    line = json.loads(os.read(pipe[0], 4096))
    assert re.fullmatch(STAMP, line.pop("time"))
    assert line == {
        "level": "error",
        "event": "lost",
        "code": 1006,
        "reason": r"\xff\x0a",
        "peer": None,
        "clean": False,
    }


def test_values() -> None:
    assert (
        words(a=None, b=True, c=0.123456789, d="", e="a b") == 'a=- b=true c=0.123457 d="" e="a b"'
    )
    assert words(a="\udcff\u00fc") == r'a="\x5cudcff\xc3\xbc"'
    assert words(a=Path("/run/a=b")) == 'a="/run/a=b"'


@given(st.binary())
def test_bytes_come_back_from_either_format(value: bytes) -> None:
    def unescape(text: str) -> bytes:
        assert text.isascii()
        assert text.isprintable()
        return re.sub(rb"\\x(..)", lambda found: bytes([int(found[1], 16)]), text.encode("ascii"))

    text = words(value=value).removeprefix("value=")
    assert unescape(text[1:-1] if text.startswith('"') else text) == value
    line = module._json_line(0, "info", "e", {"value": value})
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert unescape(json.loads(line)["value"]) == value


@given(st.text())
def test_any_text_is_one_ascii_line(value: str) -> None:
    for line in (
        module._text_line(0, "info", "e", {"value": value}),
        module._json_line(0, "info", "e", {"value": value}),
    ):
        assert line.isascii()
        assert line[:-1].decode().isprintable()


def test_levels(pipe: tuple[int, int]) -> None:
    log = Log(pipe[1], "warning")
    assert [log.enabled(level) for level in ("debug", "info", "warning", "error")] == [
        False,
        False,
        True,
        True,
    ]
    for write in (log.debug, log.info, log.warning, log.error):
        write("event")
    lines = os.read(pipe[0], 4096).split(b"\n")
    assert [line.split(b" ")[1] for line in lines if line] == [b"warning", b"error"]


def in_loop(scenario: Callable[[], object], then: float = 0.0) -> None:
    async def main() -> None:
        scenario()
        await asyncio.sleep(then)

    asyncio.run(main())


def test_lines_of_a_turn_are_written_together(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(pipe[1])
    writes: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda _, data: writes.append(data) or len(data))

    def scenario() -> None:
        log.info("one")
        log.info("two")
        assert not writes

    in_loop(scenario)
    assert [write.count(b"\n") for write in writes] == [2]


def test_a_full_reader_is_tried_again(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_PATIENCE", PATIENCE)  # which a loop has not
    log = Log(pipe[1])
    filled = fill(pipe[1])

    async def main() -> None:
        log.info("late")
        begun = time.monotonic()
        await asyncio.sleep(0.01)
        assert time.monotonic() - begun < SOON
        drain(pipe[0], filled)
        await readable(pipe[0])
        assert b"late" in os.read(pipe[0], 4096)

    asyncio.run(main())


def test_lines_beyond_the_bound_are_lost_and_counted(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_MOST_LINES", 10)
    log = Log(pipe[1])
    filled = fill(pipe[1])

    async def main() -> None:
        for i in range(25):
            log.info("event", id=i)
        drain(pipe[0], filled)
        await readable(pipe[0])

    asyncio.run(main())
    lines = os.read(pipe[0], 65536).decode().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "warning log_lines_lost count=15",
        *(f"info event id={i}" for i in range(10)),
    ]


def test_a_line_longer_than_a_write_arrives_whole(pipe: tuple[int, int]) -> None:
    log = Log(pipe[1])
    log.info("long", value="v" * 20_000)
    log.info("short")
    assert drain(pipe[0], 20_000).endswith(b"v")
    assert os.read(pipe[0], 4096).endswith(b"info short\n")


def test_closing_writes_what_is_left(pipe: tuple[int, int]) -> None:
    log = Log(pipe[1])

    def scenario() -> None:
        log.info("last")
        log.close()
        assert b"last" in os.read(pipe[0], 4096)

    in_loop(scenario)
    os.fstat(pipe[1])


def test_closing_does_not_wait_for_long(pipe: tuple[int, int]) -> None:
    log = Log(pipe[1])
    fill(pipe[1])

    def scenario() -> None:
        for _ in range(100):
            log.info("unread")
        begun = time.monotonic()
        log.close()
        assert time.monotonic() - begun < SOON

    in_loop(scenario)


def test_a_reader_that_has_gone_kills_nothing(pipe: tuple[int, int]) -> None:
    log = Log(pipe[1])
    os.close(pipe[0])
    in_loop(lambda: [log.info("unread") for _ in range(100)], then=0.01)
    log.info("unread")
    os.close(pipe[1])
    log.info("unread")
    log.close()


def test_a_full_disk_loses_lines_but_tears_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log"
    fd = os.open(file, os.O_WRONLY | os.O_CREAT)
    log = Log(fd)
    write, room = os.write, 50

    def write_what_fits(fd: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written = write(fd, data[:room])
        room -= written
        return written

    monkeypatch.setattr(os, "write", write_what_fits)
    for i in range(10):
        log.info("event", id=i)
    room = 10_000
    log.info("event", id=10)
    os.close(fd)
    events = [line.split(" ", 1)[1] for line in file.read_text().splitlines()]
    assert events[0] == "info event id=0"
    assert "warning log_lines_lost count=8" in events
    assert events[-1] == "info event id=10"
