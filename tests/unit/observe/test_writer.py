import asyncio
import os
from pathlib import Path

import pytest

from fastws.observe import writer
from fastws.observe.writer import Writer


def nothing(_: int) -> bytes:
    return b""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def descriptor(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def test_a_line_is_made_when_its_turn_of_the_loop_is_over(file: Path) -> None:
    fd = descriptor(file)
    made = []

    async def main() -> None:
        lines = Writer(fd, lost=nothing)
        lines.add(lambda: made.append(1) or b"one\n")  # type: ignore[func-returns-value]
        assert made == []
        await asyncio.sleep(0)
        assert made == [1]

    asyncio.run(main())
    assert file.read_text() == "one\n"
    os.close(fd)


def test_a_line_may_be_none(file: Path) -> None:
    fd = descriptor(file)
    lines = Writer(fd, lost=nothing)
    lines.add(lambda: b"")
    lines.add(lambda: b"one\n")
    os.close(fd)
    assert file.read_text() == "one\n"


def test_a_long_line_stays_in_one_piece_beside_those_of_others(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = []
    monkeypatch.setattr(os, "write", lambda _, data: writes.append(data) or len(data))  # type: ignore[func-returns-value]
    fd = descriptor(file)
    Writer(fd, lost=nothing).add(lambda: b"x" * 200_000 + b"\n")
    os.close(fd)
    assert [len(each) for each in writes] == [200_001]


def test_bytes_that_wait_have_a_bound_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_MOST_BYTES", 100)
    monkeypatch.setattr(writer, "_PATIENCE", 0)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = 0
    try:
        while True:
            filled += os.write(writing, b"x" * 4096)
    except BlockingIOError:
        pass
    lost = []
    lines = Writer(writing, lost=lambda count: lost.append(count) or b"")  # type: ignore[func-returns-value]
    for _ in range(5):
        lines.add(lambda: b"y" * 49 + b"\n")
    os.set_blocking(reading, False)
    while filled:
        filled -= len(os.read(reading, filled))
    lines.close()
    assert os.read(reading, 4096) == (b"y" * 49 + b"\n") * 2
    assert lost == [3]
    os.close(reading)
    os.close(writing)


def test_a_full_disk_is_told_of_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    lost: list[int] = []
    fd = descriptor(file)
    lines = Writer(
        fd,
        lost=lambda count: lost.append(count) or b"",  # type: ignore[func-returns-value]
        broken=lambda error: told.append(error.strerror or ""),
    )

    def no_room(_: int, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", no_room)
        for _ in range(3):
            lines.add(lambda: b"lost\n")
    assert told == ["No space left on device"]
    lines.add(lambda: b"kept\n")
    assert file.read_text() == "lost\nkept\n"  # the first had been begun
    assert lost == [2]
    os.close(fd)
