"""``access_log``, ``log_format`` and ``error_log``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastws.config.expected import show
from fastws.config.faults import did_you_mean
from fastws.config.nginx.findings import Findings, Level, Place
from fastws.config.nginx.parser import Directive
from fastws.config.nginx.said import Said, said
from fastws.config.nginx.scope import Scope
from fastws.config.nginx.writable import writable_file

Raw = dict[str, Any]

_COMBINED = "combined"  # it is nginx's own, and the model's default
_ESCAPES = ("default", "json", "none")
# What says when nginx writes lines, and what packs them.
_TUNING = ("buffer", "flush")
# Where fastws can write no line to.
_ELSEWHERE = ("syslog:", "memory:")
_LEVELS = ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")


class AccessLogs:
    """The access logs of all levels; ``whole`` says that no format can come from elsewhere."""

    def __init__(self, http: Scope, findings: Findings, folder: Path, *, whole: bool) -> None:
        self._findings = findings
        self._folder = folder
        self._whole = whole
        self._formats = self._read_formats(http.own("log_format"))
        self._made: dict[tuple[str, str, str], str] = {}
        self._named: dict[Place, str] = {}
        self.all: list[Said] = []

    def names(self, scope: Scope) -> list[Said]:
        """Return the names of those in force at a level."""
        written = scope.nearest("access_log")
        if any(each.values[0] == "off" for each in written):
            return []
        for each in written:
            if each.place not in self._named:  # many levels may inherit it
                self._named[each.place] = self._name(each)
        found = ((each, self._named[each.place]) for each in written)
        return [said(name, each) for each, name in found if name]

    def _read_formats(self, written: Sequence[Directive]) -> dict[str, Raw]:
        formats: dict[str, Raw] = {_COMBINED: {}}
        for each in written:
            name, *texts = each.values
            if name in formats:
                self._findings.error(each.place, f"there is a log_format {show(name)} already")
                continue
            raw: Raw = {}
            if texts[0].startswith("escape="):
                raw["escape"] = texts.pop(0).removeprefix("escape=")
                if raw["escape"] not in _ESCAPES:
                    why = f"escape is one of {', '.join(_ESCAPES)}"
                    self._findings.error(
                        each.place, f"unknown {show('escape=' + raw['escape'])}", why
                    )
                    del raw["escape"]
            formats[name] = {"format": said("".join(texts), each), **raw}
        return formats

    def _name(self, directive: Directive) -> str:
        """Return the name of the log that a directive asks for, empty where it is left out."""
        path, *rest = directive.values
        why = ""
        if path.startswith(_ELSEWHERE):
            why = "fastws writes to files"
        elif "$" in path:
            why = "fastws names no file by what a client says"
        if why:
            self._findings.add(Level.LEFT_OUT, directive.place, f"access_log {path}", why)
            return ""
        file = writable_file(directive, self._folder, self._findings)
        if not file:
            return ""
        form = rest.pop(0) if rest else _COMBINED
        key = (file, form, self._condition(directive, rest))
        if key not in self._made:
            self._made[key] = self._free_name(file)
            self.all.append(said(self._raw(directive, *key), directive))
        return self._made[key]

    def _raw(self, directive: Directive, file: str, form: str, when: str) -> Raw:
        if form not in self._formats:
            add = self._findings.error if self._whole else self._findings.warning
            hint = did_you_mean(form, self._formats)
            add(
                directive.place,
                f"there is no log_format {show(form)}" + (f"; {hint}" if hint else ""),
            )
        raw = {"name": self._made[file, form, when], "file": file, **self._formats.get(form, {})}
        return raw | {"when": when} if when else raw

    def _condition(self, directive: Directive, parameters: Sequence[str]) -> str:
        """Return the condition among the parameters."""
        when = ""
        for each in parameters:
            name, _, value = each.partition("=")
            if name == "if":
                when = value
            elif name == "gzip":
                why = "fastws writes lines as they are"
                self._findings.add(Level.LEFT_OUT, directive.place, "gzip of access_log", why)
            elif name not in _TUNING:
                self._findings.error(directive.place, f"access_log has no parameter {show(each)}")
        return when

    def _free_name(self, file: str) -> str:
        """Return a name that no other log has: the file's, with a number behind it."""
        count = sum(other == file for other, _, _ in self._made)
        return f"{file} ({count + 1})" if count else file


def error_log(main: Scope, http: Scope, findings: Findings, folder: Path) -> Raw:
    """Return the table ``log``: that of the outermost ``error_log``, for there is one log.

    Of its levels only debug is taken: the log also tells of connections, which none of nginx's
    levels keeps quiet.
    """
    written = main.own("error_log") or http.own("error_log")
    for directive in written[1:]:
        why = "fastws has one log: that of the first error_log"
        findings.add(Level.LEFT_OUT, directive.place, "error_log", why)
    return _log(written[0], findings, folder) if written else {}


def _log(directive: Directive, findings: Findings, folder: Path) -> Raw:
    path, level = (*directive.values, "error")[:2]
    raw: Raw = {}
    if level not in _LEVELS:
        known = f"the levels are {', '.join(_LEVELS)}"
        findings.error(directive.place, f"{show(level)} is no level", known)
    elif level == "debug":
        raw["level"] = said(level, directive)
    if path.startswith(_ELSEWHERE):
        why = "fastws writes to a file or to standard error"
        findings.add(Level.LEFT_OUT, directive.place, f"error_log {path}", why)
    elif path != "stderr" and (file := writable_file(directive, folder, findings)):
        raw["file"] = said(file, directive)
    return raw
