r"""The log: one line for an event, in text or JSON, that neither blocks the worker nor lies.

What comes from the network is escaped: bytes below 0x20, 0x7f and above, the quote and the
backslash are written ``\xNN``, in both formats, so that a line is ASCII and stays one line.
"""

import asyncio
import os
import re
import select
import time
from collections import deque
from enum import Enum, auto
from functools import lru_cache
from typing import Any

import msgspec

_RANKS = {"debug": 0, "info": 1, "warning": 2, "error": 3}

# Lines that wait for a reader who is slow or stopped.
_MOST_LINES = 10_000
# Seconds between two attempts at a reader that is full.
_RETRY = 0.05
# Seconds that closing, or a line outside of a loop, may wait for such a reader.
_PATIENCE = 0.2

# A file that polls as writable takes this much without blocking (pipe(7)), and in one piece.
_CHUNK = select.PIPE_BUF

_BARE = re.compile(r"[A-Za-z0-9_./:@%+,*\[\]-]+", re.ASCII)
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")
_ESCAPES = {i: f"\\x{i:02x}" for i in (*range(0x20), *b'"\\', *range(0x7F, 0x100))}


# When (nanoseconds since the epoch), level, event, fields.
_Record = tuple[int, str, str, dict[str, Any]]


class _Progress(Enum):
    DONE = auto()
    FULL = auto()
    BROKEN = auto()


class Log:
    """Writes events of ``level`` and worse to the descriptor ``fd``, which stays its owner's.

    ``level`` is debug, info, warning or error; ``format`` is text (logfmt) or json. Lines are
    formatted and written together, once in a turn of the running loop, so that an event costs
    little where it happens. Of those that a slow reader leaves behind,
    10,000 are kept; later ones are dropped and counted, and a line ``log_lines_lost`` says how
    many. A reader that has gone away, or a full disk, loses lines and nothing else. Not for use by
    more than one thread.
    """

    def __init__(self, fd: int, level: str = "info", format: str = "text") -> None:  # noqa: A002 (the key's name)
        self.configure(level, format)
        self._fd = fd
        self._records: deque[_Record] = deque()
        self._line = b""  # formatted, for the next chunk
        self._rest = b""  # of the chunk that is being written
        self._lost = 0
        self._scheduled: asyncio.Handle | None = None
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def configure(self, level: str, format: str) -> None:  # noqa: A002 (the key's name)
        """Write by another level and format from now on."""
        self._rank = _RANKS[level]
        self._render = {"text": _text_line, "json": _json_line}[format]

    def move(self, fd: int) -> None:
        """Write to another descriptor from now on."""
        self._poll.unregister(self._fd)
        self._fd = fd
        self._poll.register(fd, select.POLLOUT)

    def enabled(self, level: str) -> bool:
        """Whether events of ``level`` are written: for fields that cost something to gather."""
        return _RANKS[level] >= self._rank

    def debug(self, event: str, /, **fields: Any) -> None:
        """Log what only who looks for a fault wants to know."""
        self._log("debug", event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """Log what is as it should be."""
        self._log("info", event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """Log what somebody should look at some day."""
        self._log("warning", event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """Log what somebody should look at now."""
        self._log("error", event, fields)

    def close(self) -> None:
        """Write what is left, in 0.2 seconds at most. The descriptor stays open."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self._write(_PATIENCE)

    def _log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if _RANKS[level] < self._rank:
            return
        if len(self._records) >= _MOST_LINES:
            self._lost += 1
            return
        self._records.append((time.time_ns(), level, event, fields))
        if self._scheduled is None:
            self._schedule()

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
        while self._rest or self._line or self._records or self._lost:
            if not self._poll.poll(max(0, deadline - time.monotonic()) * 1000):
                return _Progress.FULL
            self._rest = self._rest or self._next_chunk()
            try:
                written = os.write(self._fd, self._rest[:_CHUNK])
            except BlockingIOError:
                return _Progress.FULL
            except OSError:
                # What is begun is kept, so that a disk with room again has no torn line.
                self._lost += len(self._records) + bool(self._line)
                self._records.clear()
                self._line = b""
                return _Progress.BROKEN
            self._rest = self._rest[written:]
        return _Progress.DONE

    def _next_chunk(self) -> bytes:
        """Take lines that fit one write, or one line that does not."""
        chunk = bytearray()
        if self._lost:
            record = (time.time_ns(), "warning", "log_lines_lost", {"count": self._lost})
            chunk += self._render(*record)
            self._lost = 0
        while line := self._line or self._next_line():
            if chunk and len(chunk) + len(line) > _CHUNK:
                self._line = line
                break
            chunk += line
            self._line = b""
        return bytes(chunk)

    def _next_line(self) -> bytes:
        return self._render(*self._records.popleft()) if self._records else b""


def _text_line(at: int, level: str, event: str, fields: dict[str, Any]) -> bytes:
    words = [_time(at), level, event]
    words += [f"{name}={_word(value)}" for name, value in fields.items()]
    return " ".join(words).encode("ascii", "backslashreplace") + b"\n"


def _json_line(at: int, level: str, event: str, fields: dict[str, Any]) -> bytes:
    line: dict[str, Any] = {"time": _time(at), "level": level, "event": event}
    line.update((name, _plain(value)) for name, value in fields.items())
    return msgspec.json.encode(line) + b"\n"


def _time(at: int) -> str:
    seconds, nanoseconds = divmod(at, 1_000_000_000)
    return f"{_date(seconds)}.{nanoseconds // 1_000_000:03d}Z"


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _word(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return "-"
    if isinstance(plain, str):
        return plain if _BARE.fullmatch(plain) else f'"{plain}"'
    return str(plain).lower()  # true and false, as in JSON


def _plain(value: Any) -> str | float | bool | None:
    """Return what JSON has a form for: numbers to the microsecond, texts escaped."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return round(value, 6)
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "backslashreplace")
    text = raw.decode("latin-1")
    # Most texts need no escape, and a search is ten times as fast as a translation.
    return text.translate(_ESCAPES) if _UNSAFE.search(text) else text
