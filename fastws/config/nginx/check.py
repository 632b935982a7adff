"""All that is found in an nginx.conf, and what it comes to in the raw form."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from fastws.config.nginx.findings import EnoughError, Finding, Findings, Level, Place
from fastws.config.nginx.grammar import judge, outermost
from fastws.config.nginx.parser import parse
from fastws.config.nginx.scope import survey
from fastws.config.nginx.translate import translate
from fastws.config.nginx.traps import look


class Reading(msgspec.Struct, frozen=True):
    """The findings in a file, worst first, its raw form, and where the keys of that come from.

    It is ``whole`` unless it is meant to be included.
    """

    findings: tuple[Finding, ...]
    whole: bool
    raw: dict[str, Any]
    places: dict[str, Place]

    @property
    def errors(self) -> list[Finding]:
        """What it cannot be served with."""
        return [each for each in self.findings if each.fails(strict=False)]


def read(path: str, data: bytes, ignored: Collection[str] = ()) -> Reading:
    """Return what is in the file at ``path``, which holds ``data``.

    The directives ``ignored`` may be left out though they guard something.
    """
    findings = Findings()
    whole = True
    raw: dict[str, Any] = {}
    places: dict[str, Place] = {}
    try:
        written = parse(path, data, findings)
        context = outermost(written)
        whole = context == "m"
        tree = judge(written, context, findings, ignored)
        look(survey(tree, whole=whole), findings)
        raw, places = translate(tree, context, findings, Path(path).parent)
    except EnoughError:
        pass  # the last finding says why
    worst_first = list(Level)
    ordered = sorted(
        findings.all,
        key=lambda each: (worst_first.index(each.level), each.place.file != path, each.place),
    )
    return Reading(tuple(ordered), whole, raw, places)
