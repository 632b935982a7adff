r"""The log: one line for an event, in text or JSON, that neither blocks the worker nor lies.

What comes from the network is escaped: bytes below 0x20, 0x7f and above, the quote and the
backslash are written ``\xNN``, in both formats, so that a line is ASCII and stays one line.
"""

import re
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import msgspec

from fastws.observe.writer import File, Writer

_RANKS = {"debug": 0, "info": 1, "warning": 2, "error": 3}

_BARE = re.compile(r"[A-Za-z0-9_./:@%+,*\[\]-]+", re.ASCII)
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")
_ESCAPES = {i: f"\\x{i:02x}" for i in (*range(0x20), *b'"\\', *range(0x7F, 0x100))}


class Log:
    """Writes events of ``level`` and worse to ``file``, a descriptor or what has one.

    ``level`` is debug, info, warning or error; ``format`` is text (logfmt) or json. Where lines
    were lost (see `Writer`), a line ``log_lines_lost`` says how many; ``broken`` is told when that
    begins.
    """

    def __init__(
        self,
        file: File,
        level: str = "info",
        format: str = "text",  # noqa: A002 (the key's name)
        *,
        broken: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        self.configure(level, format)
        self._writer = Writer(file, lost=self._lines_lost, broken=broken)

    def configure(self, level: str, format: str) -> None:  # noqa: A002 (the key's name)
        """Write by another level and format from now on."""
        self._rank = _RANKS[level]
        self._render = {"text": _text_line, "json": _json_line}[format]

    def move(self, file: File) -> None:
        """Write there from now on."""
        self._writer.move(file)

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
        self._writer.close()

    def _log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if _RANKS[level] >= self._rank:
            self._writer.add(partial(self._render, time.time_ns(), level, event, fields))

    def _lines_lost(self, count: int) -> bytes:
        return self._render(time.time_ns(), "warning", "log_lines_lost", {"count": count})


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
