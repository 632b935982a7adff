"""Steps, each compiled to a function of a `Visit`: set, rewrite, return, break, if."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fastws.config.model import Part, compile_pattern
from fastws.proxy.sites import escapes
from fastws.proxy.sites.results import REDIRECTS, Result

if TYPE_CHECKING:
    from fastws.config import model
    from fastws.proxy.sites.actions import Action
    from fastws.proxy.sites.variables import Value, Variables
    from fastws.proxy.sites.visit import Visit

# What comes of a step: an answer, or that no more steps are done, or that the next one is.
Outcome = Result | bool | None
Do = Callable[["Visit"], Outcome]
MakeAction = Callable[["model.Action"], "Action"]

_STOP = True
# nginx's tests of files, by their modes.
_FILES: dict[str, Callable[[int], bool]] = {
    "-f": stat.S_ISREG,
    "-d": stat.S_ISDIR,
    "-e": bool,
    "-x": lambda mode: bool(mode & stat.S_IXUSR),
}
_REDIRECTS = {"redirect": 302, "permanent": 301}


def compile_steps(
    steps: Iterable[model.Step], variables: Variables, make_action: MakeAction
) -> Do | None:
    """Return the function that does all steps, None if there are none."""
    functions = [_COMPILERS[step.do](step, variables, make_action) for step in steps]
    if not functions:
        return None

    def do(visit: Visit) -> Outcome:
        for function in functions:
            outcome = function(visit)
            if outcome is not None:
                return outcome
        return None

    return do


def _set(step: model.Step, variables: Variables, _: MakeAction) -> Do:
    name = step.name or ""
    value = variables.text(step.value)

    def do(visit: Visit) -> None:
        visit.values[name] = value(visit)

    def do_args(visit: Visit) -> None:
        visit.args = value(visit)
        visit.rewritten = True

    return do_args if name == "args" else do


def _break(_step: model.Step, _: Variables, __: MakeAction) -> Do:
    def do(visit: Visit) -> bool:
        if visit.changed:
            visit.changed = visit.in_location = False
        return _STOP

    return do


def _return(step: model.Step, variables: Variables, _: MakeAction) -> Do:
    status = step.status
    value = variables.text(step.value)
    if status in REDIRECTS:
        return lambda visit: Result(status, location=value(visit))
    if step.value or status < 400:
        return lambda visit: Result(status, text=value(visit))
    return lambda _: Result(status)


def _if(step: model.Step, variables: Variables, make_action: MakeAction) -> Do:
    holds = _condition(step, variables)
    inside = compile_steps(step.steps, variables, make_action)
    action = make_action(step.action) if step.action else None

    def do(visit: Visit) -> Outcome:
        if not holds(visit):
            return None
        if action:
            visit.action = action
        return inside(visit) if inside else None

    return do


def _condition(step: model.Step, variables: Variables) -> Callable[[Visit], bool]:
    value = variables.text(step.value)
    operand = variables.text(step.operand)
    match step.test:
        case "set":
            return lambda visit: value(visit) not in (b"", b"0")
        case "=":
            return lambda visit: value(visit) == operand(visit)
        case "!=":
            return lambda visit: value(visit) != operand(visit)
        case test if test[-2:] in _FILES:
            is_there, wanted = _FILES[test[-2:]], not test.startswith("!")
            return lambda visit: is_there(_mode(value(visit))) is wanted
        case test:
            pattern = compile_pattern(step.pattern, ignore_case=test.endswith("*"))
            wanted = not test.startswith("!")
            return lambda visit: _matches(visit, pattern, value(visit)) is wanted


def _mode(path: bytes) -> int:
    """Return the mode of a file, 0 if there is none: it may have come or gone since the last."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - a path in bytes
    except (OSError, ValueError):  # ValueError: a NUL in it
        return 0


def _matches(visit: Visit, pattern: model.Pattern, subject: bytes) -> bool:
    if visit.matches(pattern, subject):
        return True
    visit.match = None  # as in nginx: groups of an earlier pattern are gone
    return False


def _rewrite(step: model.Step, variables: Variables, _: MakeAction) -> Do:
    pattern = compile_pattern(step.pattern)
    if step.then in _REDIRECTS:
        return _redirect(step, pattern, variables)
    path, question, query = _split(step.value)
    keeps = not step.value or not step.value[-1].text.endswith("?")
    new_path = variables.text(path)
    new_args = _in_arguments(query, variables) if question else None
    outcome = None if step.then == "on" else _STOP
    breaks = step.then == "break"

    def do(visit: Visit) -> Outcome:
        if not _matches(visit, pattern, visit.path):
            return None
        replaced = new_path(visit)
        if new_args:
            args = new_args(visit)
            visit.args = b"%b&%b" % (args, visit.args) if keeps and visit.args else args
        elif not keeps:
            visit.args = b""
        if not replaced:
            return Result(500)
        visit.rewrite(replaced)
        visit.changed = not breaks
        visit.in_location = visit.in_location and not breaks
        return outcome

    return do


def _redirect(step: model.Step, pattern: model.Pattern, variables: Variables) -> Do:
    value, dropped = _without_last_mark(step.value)
    new = _in_arguments(value, variables)
    has_args = any("?" in part.text for part in value)
    status = _REDIRECTS[step.then]

    def do(visit: Visit) -> Outcome:
        if not _matches(visit, pattern, visit.path):
            return None
        location = escapes.in_redirect(new(visit))
        if visit.args and not dropped:
            location += (b"&" if has_args else b"?") + visit.args
        return Result(status, location=location)

    return do


def _in_arguments(template: model.Template, variables: Variables) -> Value:
    """Return the function of a text in which groups are escaped, if the client escaped anything."""
    parts = [(part.name.isdigit(), variables.text((part,))) for part in template]

    def read(visit: Visit) -> bytes:
        quoted = visit.quoted or b"+" in visit.request.target
        pieces = []
        for is_group, value in parts:
            piece = value(visit)
            pieces.append(escapes.in_argument(piece) if is_group and quoted else piece)
        return b"".join(pieces)

    return read


def _split(template: model.Template) -> tuple[model.Template, bool, model.Template]:
    """Return the path and the arguments of a text, and whether there is a mark between them.

    A last ``?`` stands for none; it says that the client's own arguments go.
    """
    whole, _ = _without_last_mark(template)
    for i, part in enumerate(whole):
        before, mark, behind = part.text.partition("?")
        if mark:
            path = (*whole[:i], *([Part(text=before)] if before else []))
            query = (*([Part(text=behind)] if behind else []), *whole[i + 1 :])
            return path, True, query
    return whole, False, ()


def _without_last_mark(template: model.Template) -> tuple[model.Template, bool]:
    if not template or not template[-1].text.endswith("?"):
        return template, False
    last = template[-1].text[:-1]
    return (*template[:-1], *([Part(text=last)] if last else [])), True


_COMPILERS: dict[str, Callable[[model.Step, Variables, MakeAction], Do]] = {
    "set": _set,
    "break": _break,
    "return": _return,
    "if": _if,
    "rewrite": _rewrite,
}
