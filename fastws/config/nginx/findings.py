"""What `fastws check` has to say about places in an nginx.conf."""

from enum import Enum
from typing import NoReturn

import msgspec

MOST = 10_000


class Level(Enum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    WARNING = "warning"
    LEFT_OUT = "not imported"
    NOTE = "note"


class Place(msgspec.Struct, frozen=True, order=True):
    """Where something is written; lines and columns (of characters) count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Finding(msgspec.Struct, frozen=True):
    """What is wrong at a place, why it matters, and the lines to write instead (or nothing)."""

    level: Level
    place: Place
    what: str
    why: str = ""
    write: str = ""

    def fails(self, *, strict: bool) -> bool:
        """Return whether its file is refused: for errors, and if strict for all but notes."""
        return self.level is not Level.NOTE if strict else self.level is Level.ERROR


class EnoughError(Exception):
    """Nothing more is read: what was found last says why."""


class Findings:
    """The findings of one configuration, in the order in which they were made."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def add(self, level: Level, place: Place, what: str, why: str = "", write: str = "") -> None:
        """Add a finding. Raises EnoughError when there are very many."""
        self.all.append(Finding(level, place, what, why, write))
        if len(self.all) >= MOST:
            self.stop(place, f"more than {MOST} findings: what comes behind is not checked")

    def error(self, place: Place, what: str, why: str = "", write: str = "") -> None:
        """Add what nginx, or fastws, will not start with."""
        self.add(Level.ERROR, place, what, why, write)

    def warning(self, place: Place, what: str, why: str = "", write: str = "") -> None:
        """Add what will run, and do something else than was meant."""
        self.add(Level.WARNING, place, what, why, write)

    def stop(self, place: Place, what: str) -> NoReturn:
        """Add the last error and raise EnoughError."""
        self.all.append(Finding(Level.ERROR, place, what))
        raise EnoughError
