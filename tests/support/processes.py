"""The processes of a proxy, and a new one that is held up while it takes the place of another."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from support.raw import meanwhile
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from support.control import Controlled


def runs(pid: int) -> bool:
    """Whether there is such a process; nobody may have asked for the status of one that ended."""
    with suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    return False


def children(pid: int) -> list[int]:
    """The processes that one has begun."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


class HeldUp(NamedTuple):
    """A new process that waits for its configuration, until it may `proceed()`.

    `answer` is what the command `upgrade` comes to.
    """

    pid: int
    proceed: Callable[[], None]
    answer: Future[object]


@contextmanager
def held_up(proxy: Controlled, ask: Callable[..., object]) -> Iterator[HeldUp]:
    """Ask for an upgrade; in the block the new process reads from a pipe, and nothing comes."""
    text = proxy.file.read_text()
    proxy.file.unlink()
    os.mkfifo(proxy.file)
    with meanwhile(ask, "upgrade") as answer, ExitStack() as stack:
        proxy.file.write_text(text)  # the old process reads it first
        pid = _successor(proxy.pid)
        pipe = stack.enter_context(_opened(proxy.file))
        proxy.file.unlink()
        proxy.file.write_text(text)

        def proceed() -> None:
            pipe.write(text)
            pipe.close()

        yield HeldUp(pid, proceed, answer)


def _opened(pipe: Path) -> IO[str]:
    """The writing end of a pipe, once somebody reads from it."""
    found: list[int] = []

    def look() -> bool:
        with suppress(OSError):
            found.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(found)

    assert until(look)
    return open(found[0], "w")  # noqa: PTH123 - a descriptor


def _successor(pid: int) -> int:
    """The process that is to take the place of one, as soon as there is one."""
    found: list[int] = []

    def look() -> bool:
        for child in children(pid):
            with suppress(OSError):
                if b"FASTWS_PREDECESSOR=" in Path(f"/proc/{child}/environ").read_bytes():
                    found.append(child)
        return bool(found)

    assert until(look)
    return found[0]
