"""The lines of access logs: formats, compiled once, and which requests get one."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from fastws.errors import FastwsError
from fastws.proxy import late
from fastws.proxy.trace import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastws.config import model
    from fastws.observe.files import LogFiles
    from fastws.proxy.sites.variables import Value, Variables
    from fastws.proxy.sites.visit import Visit

_Escape = Callable[[bytes], bytes]

# nginx's; in JSON, 0x7f and above stand as they are.
_IN_TEXT = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')
_IN_JSON = re.compile(rb'[\x00-\x1f"\\]')
_SHORT = {
    b'"': b'\\"',
    b"\\": b"\\\\",
    b"\b": b"\\b",
    b"\t": b"\\t",
    b"\n": b"\\n",
    b"\f": b"\\f",
    b"\r": b"\\r",
}
# A line stays one line, whatever a client says.
_ENDS = re.compile(rb"[\r\n]")
_NOTHING = b"0"


class AccessLog:
    """One access log; raises FastwsError when its file cannot be opened."""

    def __init__(self, written: model.AccessLog, variables: Variables, files: LogFiles) -> None:
        try:
            self._file = files.open(written.file)
        except OSError as error:
            raise FastwsError(f"cannot write to {written.file}: {error.strerror}") from error
        self._when = variables.text(written.when) if written.when else None
        escape, absent = _ESCAPES[written.escape]
        self._parts: list[tuple[str, Value]] = [
            (part.name, _escaped(part.name, variables, escape, absent))
            if part.name
            else ("", variables.text((part,)))
            for part in written.format
        ]

    def write(self, visit: Visit) -> None:
        """Write the line of a request that is over, in this turn of the loop."""
        self._file.write(partial(self._line, visit))

    def begin(self, visit: Visit) -> tuple[str, list[tuple[bytes, str]]] | None:
        """Return the file and the pieces of a tunnel's line, None if it gets none."""
        if not self._wants(visit):
            return None
        pieces = []
        text = b""
        for name, value in self._parts:
            if name in late.VARIABLES:
                pieces.append((text, name))
                text = b""
            else:
                text += value(visit)
        return self._file.path, [*pieces, (text + b"\n", "")]

    def _line(self, visit: Visit) -> bytes:
        if not self._wants(visit):
            return b""
        return b"".join([value(visit) for _, value in self._parts]) + b"\n"

    def _wants(self, visit: Visit) -> bool:
        return self._when is None or self._when(visit) not in (b"", _NOTHING)


def record(logs: Iterable[AccessLog], visit: Visit) -> Record | None:
    """Return what a tunnel is remembered by, None if no log wants to know of it."""
    lines = [line for log in logs if (line := log.begin(visit))]
    return Record(visit.trace, lines) if lines else None


def _escaped(name: str, variables: Variables, escape: _Escape, absent: bytes) -> Value:
    value = variables.named(name)
    if variables.is_set(name):
        return lambda visit: escape(value(visit))
    return lambda visit: escape(value(visit)) or absent


def _as_text(value: bytes) -> bytes:
    return _IN_TEXT.sub(lambda match: b"\\x%02X" % match[0][0], value)


def _as_json(value: bytes) -> bytes:
    return _IN_JSON.sub(lambda match: _SHORT.get(match[0]) or b"\\u%04X" % match[0][0], value)


def _as_it_is(value: bytes) -> bytes:
    return _ENDS.sub(lambda match: b"\\x%02X" % match[0][0], value)


# What is done to the value of a variable, and what stands for one that there is not.
_ESCAPES: dict[str, tuple[_Escape, bytes]] = {
    "default": (_as_text, b"-"),
    "json": (_as_json, b""),
    "none": (_as_it_is, b""),
}
