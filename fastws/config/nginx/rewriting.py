"""The rewrite module's directives as steps: set, rewrite, return, break, if."""

import re
from typing import Any

from fastws.config.expected import show
from fastws.config.nginx.findings import Findings
from fastws.config.nginx.levels import Levels
from fastws.config.nginx.parser import Directive
from fastws.config.nginx.said import Said, said
from fastws.config.nginx.scope import Scope

Raw = dict[str, Any]

_NAMES = ("set", "rewrite", "return", "break", "if")
_REDIRECTS = ("http://", "https://", "$scheme")
_COMPARISONS = ("=", "!=", "~", "~*", "!~", "!~*")
_FILE_TEST = re.compile(r"!?-[fdex]")
_ROOT = re.compile(r"\$(?:document_root\b|\{document_root\})")


class Rewriting:
    """Makes steps of what stands at a level."""

    def __init__(self, levels: Levels, findings: Findings) -> None:
        self._levels = levels
        self._findings = findings

    def steps(self, scope: Scope, passing: Scope | None = None) -> list[Said]:
        """Return the steps at a level; ``passing`` is the location around, if one is."""
        steps = []
        ifs = scope.inside("if")
        for directive in scope.content:
            name = directive.name.text
            if name in _NAMES:
                inner = next(ifs) if name == "if" else None
                step = self._if(inner, passing) if inner else self._step(directive)
                steps.append(said(step, directive))
        return steps

    def _step(self, directive: Directive) -> Raw:
        match directive.name.text, directive.values:
            case "set", (variable, value):
                return {"do": "set", "name": variable.removeprefix("$"), "value": value}
            case "rewrite", (pattern, value, *flags):
                return {"do": "rewrite", "pattern": pattern, "value": value, **_then(value, flags)}
            case "return", values:
                return self._return(directive, *values)
            case _:
                return {"do": "break"}

    def _return(self, directive: Directive, first: str, value: str = "") -> Raw:
        if first.isascii() and first.isdigit() and len(first) <= 3:
            return {"do": "return", "status": int(first), "value": value}
        if not value and first.startswith(_REDIRECTS):
            return {"do": "return", "status": 302, "value": first}
        self._findings.error(
            directive.place, f"{show(first)} is no status to return", "nginx does not start with it"
        )
        return {"do": "break"}

    def _if(self, scope: Scope, passing: Scope | None) -> Raw:
        raw = {"do": "if", **self._condition(scope)}
        raw["steps"] = self.steps(scope, passing)
        if passing and any(each.name.text not in _NAMES for each in scope.content):
            own = scope if scope.own("proxy_pass") else passing
            raw["action"] = self._levels.action(scope, own)
        return raw

    def _condition(self, scope: Scope) -> Raw:
        directive = scope.directive
        assert directive is not None  # noqa: S101 - an if opens the level
        words = _inside_brackets(directive.values)
        match words:
            case [variable] if variable.startswith("$"):
                return {"value": variable}
            case [variable, ("=" | "!=") as test, operand] if variable.startswith("$"):
                return {"value": variable, "test": test, "operand": operand}
            case [variable, test, pattern] if variable.startswith("$") and test in _COMPARISONS:
                return {"value": variable, "test": test, "pattern": pattern}
            case [test, path] if _FILE_TEST.fullmatch(test):
                root = scope.value("root")
                return {"value": _ROOT.sub(lambda _: root, path), "test": test}
        what = f"{show(' '.join(directive.values))} is no condition"
        self._findings.error(directive.place, what, "nginx does not start with it")
        return {}


def _then(value: str, flags: list[str]) -> Raw:
    if flags and flags[0] != "last" and flags[0] != "break":
        return {"then": flags[0]}
    if value.startswith(_REDIRECTS):
        return {"then": "redirect"}
    return {"then": flags[0]} if flags else {}


def _inside_brackets(values: tuple[str, ...]) -> list[str]:
    """Return the words of a condition; its brackets may stand alone or at a word."""
    words = list(values)
    if not words or not words[0].startswith("(") or not words[-1].endswith(")"):
        return []
    words[0] = words[0][1:]
    words[-1] = words[-1][:-1]
    return words[not words[0] : len(words) - (not words[-1] and len(words) > 1)]
