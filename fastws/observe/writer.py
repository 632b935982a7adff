"""Writes lines to a descriptor: many at once, without blocking the loop, and without an end."""

import asyncio
import os
import select
import stat
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

# Lines that wait for a reader who is slow or stopped, and their bytes once they are made.
_MOST_LINES = 10_000
_MOST_BYTES = 4 * 1024 * 1024
# Seconds between two attempts at a reader that is full.
_RETRY = 0.05
# Seconds that closing, or a line outside of a loop, may wait for such a reader.
_PATIENCE = 0.2

# What polls as writable takes this much without blocking (pipe(7)), and in one piece.
_PIPE_CHUNK = select.PIPE_BUF
# Files never make anybody wait; a write with O_APPEND stays in one piece, however long it is.
_FILE_CHUNK = 64 * 1024

# Makes a line, its end included; or none, which is empty.
Line = Callable[[], bytes]


class HasDescriptor(Protocol):
    """An open file."""

    def fileno(self) -> int:
        """Return its descriptor."""


File = int | HasDescriptor


class _Progress(Enum):
    DONE = auto()
    FULL = auto()
    BROKEN = auto()


class Writer:
    """Writes lines to ``file``, a descriptor or what has one, and keeps that.

    They are made and written together, once in a turn of the running loop, so that a line costs
    little where it is asked for, and several processes may append to one file. Of those that a slow
    reader leaves behind, 10,000 or 4 MiB are kept; later ones are dropped and counted. A reader
    that has gone away, or a full disk, loses lines and nothing else: ``broken`` is told of the
    error once, until a write succeeds again. ``lost`` is told how many lines were lost before lines
    are written again, and may return one that says so. Not for use by more than one thread.
    """

    def __init__(
        self,
        file: File,
        *,
        lost: Callable[[int], bytes],
        broken: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        self._tell_lost = lost
        self._tell_broken = broken
        self._lines: deque[Line] = deque()
        self._made: deque[bytes] = deque()
        self._made_bytes = 0
        self._rest = b""  # of the chunk that is being written
        self._lost = 0
        self._is_broken = False
        self._scheduled: asyncio.Handle | None = None
        self.move(file)

    def move(self, file: File) -> None:
        """Write there from now on."""
        self._file = file
        self._fd = file if isinstance(file, int) else file.fileno()
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)
        self._is_file = stat.S_ISREG(os.fstat(self._fd).st_mode)

    def add(self, line: Line) -> None:
        """Write a line, which is made when it is due."""
        if len(self._lines) + len(self._made) >= _MOST_LINES or self._made_bytes >= _MOST_BYTES:
            self._lost += 1
            return
        self._lines.append(line)
        if self._scheduled is None:
            self._schedule()

    def close(self) -> None:
        """Write what is left, in 0.2 seconds at most. The descriptor stays open."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self._write(_PATIENCE)

    def _schedule(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # before the loop runs, or after
            self._write(_PATIENCE)
        else:
            self._scheduled = loop.call_soon(self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = None
        if self._write(0) is _Progress.FULL:
            self._scheduled = loop.call_later(_RETRY, self._flush, loop)

    def _write(self, patience: float) -> _Progress:
        """Write as much as the reader takes, waiting for it ``patience`` seconds in all."""
        deadline = time.monotonic() + patience
        self._make()
        while self._rest or self._made or self._lost:
            if not self._poll.poll(max(0, deadline - time.monotonic()) * 1000):
                return _Progress.FULL
            self._rest = self._rest or self._next_chunk()
            try:
                written = os.write(
                    self._fd, self._rest if self._is_file else self._rest[:_PIPE_CHUNK]
                )
            except BlockingIOError:
                return _Progress.FULL
            except OSError as error:
                self._break(error)
                return _Progress.BROKEN
            self._is_broken = False
            self._rest = self._rest[written:]
        return _Progress.DONE

    def _make(self) -> None:
        """Make the lines, as what they are made of may be large, or change."""
        while self._lines:
            if line := self._lines.popleft()():
                self._made.append(line)
                self._made_bytes += len(line)

    def _break(self, error: OSError) -> None:
        # What is begun is kept, so that a disk with room again has no torn line.
        self._lost += len(self._made)
        self._made.clear()
        self._made_bytes = 0
        if not self._is_broken:
            self._is_broken = True
            self._tell_broken(error)

    def _next_chunk(self) -> bytes:
        """Take lines that fit one write, or one line that does not."""
        chunk = bytearray()
        if self._lost:
            lost, self._lost = self._lost, 0
            chunk += self._tell_lost(lost)
        most = _FILE_CHUNK if self._is_file else _PIPE_CHUNK
        while self._made and (not chunk or len(chunk) + len(self._made[0]) <= most):
            line = self._made.popleft()
            self._made_bytes -= len(line)
            chunk += line
        return bytes(chunk)
