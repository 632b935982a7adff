"""What `fastws check` prints, of a file in either syntax."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from fastws.config import flags, syntax, toml
from fastws.config.model import Config
from fastws.config.nginx import check as nginx
from fastws.config.nginx.findings import Finding, Level, Place
from fastws.config.show import show
from fastws.errors import ConfigError, InvalidConfigError

_PLURAL = {Level.ERROR: "errors", Level.WARNING: "warnings", Level.NOTE: "notes"}


class Report(msgspec.Struct, frozen=True):
    """What is wrong with a file: ``faults`` if it is TOML or unreadable, ``findings`` if nginx.

    ``config`` is what it comes to, if it does, and ``places`` is where keys were written.
    """

    path: str
    faults: tuple[ConfigError, ...] = ()
    findings: tuple[Finding, ...] = ()
    config: Config | None = None
    places: Mapping[str, Place] = MappingProxyType({})

    def fails(self, *, strict: bool) -> bool:
        """Return whether the file is refused: for errors, and if strict for all but notes."""
        return bool(self.faults) or any(each.fails(strict=strict) for each in self.findings)

    def text(self) -> str:
        """Return the findings as a compiler prints them, and one line that counts them."""
        parts = [*map(_paragraph, self.findings), f"{self.path}: {self._summary()}"]
        return _printable("\n".join(parts))

    def toml(self) -> str:
        """Return what the file comes to; nothing if there is too much wrong with it."""
        return show(self.config, self.places) if self.config else ""

    def json(self, *, strict: bool) -> str:
        """Return all of it as a JSON document."""
        document = {
            "file": self.path,
            "ok": not self.fails(strict=strict),
            "findings": [*map(_fault, self.faults), *map(_finding, self.findings)],
        }
        return json.dumps(document, indent=2)

    def _summary(self) -> str:
        counts = Counter(each.level for each in self.findings)
        words = [_count(level, counts[level]) for level in Level if counts[level]]
        if not counts[Level.ERROR]:
            words.insert(0, "ok")
        return ", ".join(words)


def examine(path: str, ignored: Collection[str] = ()) -> Report:
    """Return what is wrong with the file at ``path``.

    nginx's directives ``ignored`` may be left out though they guard something.
    """
    try:
        data = syntax.read(path)
        if syntax.is_nginx(data):
            return _examine_nginx(path, data, ignored)
        config = flags.merge(toml.parse(data, path), path, flags.Flags())
    except InvalidConfigError as error:
        return Report(path, faults=error.errors)
    except ConfigError as error:
        return Report(path, faults=(error,))
    return Report(path, config=config)


def left_out(path: str, ignored: Collection[str]) -> list[str]:
    """Return a line for each thing in the nginx.conf at ``path`` that is not served.

    Of a TOML file that is nothing. Raises ConfigError.
    """
    data = syntax.read(path)
    if not syntax.is_nginx(data):
        return []
    findings = nginx.read(path, data, ignored).findings
    return [_paragraph(each) for each in findings if each.level is Level.LEFT_OUT]


def _examine_nginx(path: str, data: bytes, ignored: Collection[str]) -> Report:
    """Return the findings, and where they leave nothing to stop at, what the values come to.

    A file that is meant to be included may get from elsewhere what it lacks.
    """
    reading = nginx.read(path, data, ignored)
    findings = list(reading.findings)
    config = None
    if reading.raw.get("sites") and not reading.errors:
        places = {str(place): place for place in reading.places.values()}
        written = {key: str(place) for key, place in reading.places.items()}
        level = Level.ERROR if reading.whole else Level.WARNING
        try:
            config = flags.merge(reading.raw, path, flags.Flags(), written)
        except InvalidConfigError as invalid:
            findings[:0] = [_as_finding(level, each, places, path) for each in invalid.errors]
    return Report(path, findings=tuple(findings), config=config, places=reading.places)


def _as_finding(level: Level, error: ConfigError, places: dict[str, Place], path: str) -> Finding:
    where, _, key = error.origin.partition(": ")
    what = f"{key}: {error.message}" if key and where in places else error.message
    return Finding(level, places.get(where, Place(path, 1, 1)), what, "", error.hint)


def _paragraph(finding: Finding) -> str:
    head = f"{finding.place}: {finding.level.value}: {finding.what}"
    if finding.level in {Level.LEFT_OUT, Level.NOTE}:
        return f"{head} ({finding.why})"
    lines = [f"    why:   {finding.why}"] if finding.why else []
    if finding.write:
        lines.append("    write: " + finding.write.replace("\n", "\n           "))
    return "\n".join([head, *lines, ""])


def _count(level: Level, count: int) -> str:
    return f"{count} {level.value if count == 1 else _PLURAL.get(level, level.value)}"


def _fault(fault: ConfigError) -> dict[str, Any]:
    return {
        "level": Level.ERROR.value,
        "where": fault.origin,
        "what": fault.message,
        "write": fault.hint,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "level": finding.level.value,
        "where": _printable(str(finding.place)),
        "file": _printable(finding.place.file),
        "line": finding.place.line,
        "column": finding.place.column,
        "what": _printable(finding.what),
        "why": _printable(finding.why),
        "write": _printable(finding.write),
    }


def _printable(text: str) -> str:
    """Escape what a terminal should not get to see."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )
