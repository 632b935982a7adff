from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from fastws.config.model import Log
from fastws.errors import FastwsError
from fastws.server.logs import OpenLog, log_faults

if TYPE_CHECKING:
    from pathlib import Path


async def write(logs: OpenLog, event: str) -> None:
    logs.log.info(event)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_the_log_goes_to_the_file_and_follows_it_when_told(tmp_path: Path) -> None:
    path = tmp_path / "log"

    async def scenario() -> None:
        logs = OpenLog(Log(file=str(path)))
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        await write(logs, "first")
        path.rename(tmp_path / "old")
        await write(logs, "second")
        logs.reopen()
        await write(logs, "third")
        logs.log.close()
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    asyncio.run(scenario())
    assert [line for line in path.read_text().splitlines() if "third" not in line] == []
    assert "second" in (tmp_path / "old").read_text()
    assert path.stat().st_mode & 0o777 == 0o640 & ~_umask()


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FastwsError, match=f"^cannot write to {tmp_path}/no/log: No such file"):
        OpenLog(Log(file=f"{tmp_path}/no/log"))


def test_when_it_cannot_be_opened_again_the_old_one_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()

    async def scenario() -> None:
        logs = OpenLog(Log(file=str(folder / "log")))
        folder.rename(tmp_path / "moved")
        with pytest.raises(FastwsError, match="cannot write to"):
            logs.reopen()
        await write(logs, "still here")
        logs.log.close()

    asyncio.run(scenario())
    assert "still here" in (tmp_path / "moved" / "log").read_text()


def test_without_a_file_there_is_nothing_to_open_again() -> None:
    logs = OpenLog(Log())
    logs.reopen()
    logs.log.close()


@pytest.mark.parametrize("error", [ValueError("never mind"), None])
def test_what_nobody_catches_is_one_line(tmp_path: Path, error: Exception | None) -> None:
    path = tmp_path / "log"

    async def scenario() -> None:
        logs = OpenLog(Log(file=str(path)))
        loop = asyncio.get_running_loop()
        log_faults(loop, logs.log)
        loop.call_exception_handler({"message": "in a callback", "exception": error})
        await asyncio.sleep(0)
        logs.log.close()

    asyncio.run(scenario())
    (line,) = path.read_text().splitlines()
    shown = "\"ValueError('never mind')\"" if error else '""'
    assert line.endswith(f' error fault message="in a callback" error={shown}')


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")  # noqa: PTH110
def test_where_nothing_can_be_written_standard_error_says_so_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def scenario() -> None:
        logs = OpenLog(Log(file="/dev/full"))
        await write(logs, "first")
        await write(logs, "second")
        logs.log.close()

    asyncio.run(scenario())
    line = "fastws: error: the log cannot be written: No space left on device\n"
    assert capfd.readouterr().err == line
