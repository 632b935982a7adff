"""Whether the directives of a tree exist, may stand where they do, and have the right arguments.

Where it is plain what was meant (a missing ``;``, a misspelt name), the tree that comes back has it
so, for what stands inside to be judged too.
"""

import re
from collections.abc import Collection, Sequence
from itertools import dropwhile, pairwise

from fastws.config.expected import show
from fastws.config.faults import nearest
from fastws.config.nginx import entries
from fastws.config.nginx.directives import CONTEXTS, Fate, Rule, find, rules
from fastws.config.nginx.findings import Findings, Level, Place
from fastws.config.nginx.lexer import Word
from fastws.config.nginx.parser import Directive, write

Tree = tuple[Directive, ...]

_INSIDE = {
    "http": "h",
    "events": "e",
    "server": "s",
    "location": "l",
    "upstream": "u",
    "limit_except": "x",
}
# What a file begins with that is meant to be included from a block, the outermost block first.
_STARTS = "mhsl"
_DOTS = re.compile(r"\.{3,}|…")
_LONGEST_NAME = 64
_MOST_HINTS = 200
_ADDRESS = re.compile(r"[\w.:/\[\]-]+")
_PATTERN = re.compile(r"\d+,?\d*\}")  # what stands behind the { of [0-9]{2}
_ON_OFF = ("on", "off")
# The argument with which a guard guards nothing; of others it is "off".
_NO_GUARD = {"satisfy": "all", "limit_rate": "0", "limit_rate_after": "0", "proxy_limit_rate": "0"}
# What nginx does otherwise with this argument, and fastws does not.
_OTHERWISE = {
    ("underscores_in_headers", "on"): "headers with _ in their names are always dropped",
    ("ignore_invalid_headers", "off"): "a request with an invalid header is always refused",
    ("merge_slashes", "off"): "locations are always found with slashes merged",
}


def outermost(tree: Tree) -> str:
    """Return the context that a file is written for: "m" unless it begins within http."""
    names = [directive.name.text for directive in tree]
    return max(_STARTS, key=lambda context: sum(_may_stand(name, context) for name in names))


def judge(tree: Tree, context: str, findings: Findings, ignored: Collection[str] = ()) -> Tree:
    """Return the tree with what is plainly meant, and add to the findings what is wrong.

    The directives ``ignored`` may stand there though they guard something and are left out.
    """
    return _Judge(findings, ignored).level(tree, context)


class _Judge:
    def __init__(self, findings: Findings, ignored: Collection[str]) -> None:
        self._findings = findings
        self._ignored = ignored

    def level(self, tree: Tree, context: str) -> Tree:
        """Judge the directives of one block."""
        judged: list[Directive] = []
        for written in tree:
            for directive in self._pieces(written, context):
                judged += self._directive(directive, context)
        self._once(judged, context)
        return tuple(judged)

    def _pieces(self, directive: Directive, context: str) -> list[Directive]:
        """Return the directive, or those that it is where ``;`` is missing at ends of lines."""
        if _fits(directive, context):
            return [directive]
        pieces = _cut(directive, context)
        for piece, following in pairwise(pieces):
            if not _DOTS.fullmatch(piece.name.text):
                self._missing_semicolon(piece, following)
        return pieces

    def _missing_semicolon(self, piece: Directive, following: Directive) -> None:
        words = (piece.name, *piece.arguments)
        self._findings.error(
            words[-1].place,
            f'a ";" is missing behind {show(words[-1].text)}',
            f"nginx takes {show(following.name.text)} in line {following.place.line} for one more "
            f"argument of {show(piece.name.text)}",
            write(piece.name.text, *piece.values),
        )

    def _directive(self, directive: Directive, context: str) -> Tree:
        words = [directive.name, *directive.arguments]
        rest = list(dropwhile(lambda word: _DOTS.fullmatch(word.text), words))
        if len(rest) < len(words):
            self._ellipsis(words[0], context)
        if not rest:
            return ()
        directive = Directive(rest[0], tuple(rest[1:]), directive.block)
        found = find(directive.name.text)
        if not found:
            return self._unknown(directive, context)
        allowed = [rule for rule in found if context in rule.contexts]
        if not allowed:
            self._misplaced(directive, found, context)
            return ()
        return self._known(directive, _nearest(directive, allowed), context)

    def _ellipsis(self, dots: Word, context: str) -> None:
        self._findings.error(
            dots.place,
            f"{show(dots.text)} is not a directive: it stands for lines that were left out",
            "nginx does not start with it",
            "listen 80;" if context == "s" else "(the lines that were left out)",
        )

    def _unknown(self, directive: Directive, context: str) -> Tree:
        name = directive.name
        if context == "u" and _is_address(name.text):
            return self._without_server(directive)
        near = self._near(name.text, context)
        self._findings.error(
            name.place,
            f"unknown directive {show(name.text)}" + (f'; did you mean "{near}"?' if near else ""),
            "a pattern with a { in it has to be put in quotes as a whole"
            if _PATTERN.match(name.text)
            else "nginx does not start with it",
        )
        meant = Directive(Word(near, name.place), directive.arguments, directive.block)
        return self._directive(meant, context) if near and _fits(meant, context) else ()

    def _near(self, name: str, context: str) -> str:
        if len(name) > _LONGEST_NAME or len(self._findings.all) > _MOST_HINTS:
            return ""
        return nearest(name, [known for known in rules() if _may_stand(known, context)])

    def _without_server(self, directive: Directive) -> Tree:
        server = Directive(Word("server", directive.place), (directive.name, *directive.arguments))
        self._findings.error(
            directive.place,
            f'the keyword "server" is missing before {show(directive.name.text)}',
            "nginx takes the address for a directive, and does not start",
            write("server", *server.values),
        )
        return (server,)

    def _misplaced(self, directive: Directive, found: Sequence[Rule], context: str) -> None:
        places = ", ".join(
            CONTEXTS[each] for each in CONTEXTS if any(each in rule.contexts for rule in found)
        )
        self._findings.error(
            directive.place,
            f"{show(directive.name.text)} cannot stand in {CONTEXTS[context]}",
            f"it belongs in {places}",
        )

    def _known(self, directive: Directive, rule: Rule, context: str) -> Tree:
        name = directive.name
        if rule.block and directive.block is None:
            self._findings.error(name.place, f'{show(name.text)} has no block: a "{{" is missing')
            return ()
        if not rule.block and directive.block is not None:
            self._findings.error(name.place, f'{show(name.text)} has no block: end it with ";"')
            return ()
        if not _enough(rule, len(directive.arguments)):
            given = len(directive.arguments)
            self._findings.error(name.place, f"{show(name.text)} takes {_count(rule)}, not {given}")
            self._inside(directive, rule, context)  # what is wrong there is told too
            return ()
        if rule.flag and directive.values[0].lower() not in _ON_OFF:
            value = directive.arguments[0]
            self._findings.error(
                value.place, f"{show(name.text)} is on or off, not {show(value.text)}"
            )
        self._fate(directive, rule)
        return (self._inside(directive, rule, context),)

    def _inside(self, directive: Directive, rule: Rule, context: str) -> Directive:
        name = directive.name.text
        if directive.block is None or rule.fate is not Fate.USED:
            return directive
        if name in entries.BLOCKS:
            entries.judge(directive, self._findings)
            return directive
        inside = _INSIDE.get(name) or ("I" if context == "s" else "i")
        block = self.level(directive.block, inside)
        return Directive(directive.name, directive.arguments, block)

    def _fate(self, directive: Directive, rule: Rule) -> None:
        name, place = directive.name.text, directive.place
        if rule.fate is Fate.GUARD and directive.values != (_NO_GUARD.get(name, "off"),):
            self._guard(name, place, rule.reason)
        elif rule.fate is Fate.LEFT_OUT:
            self._findings.add(Level.LEFT_OUT, place, name, rule.reason)
        elif why := _OTHERWISE.get((name, "".join(directive.values).lower())):
            self._findings.add(Level.LEFT_OUT, place, f"{name} {directive.values[0]}", why)
        elif rule.fate is Fate.OWN_WAY:
            self._findings.add(Level.NOTE, place, f"{name} is passed over", rule.reason)

    def _guard(self, name: str, place: Place, reason: str) -> None:
        if name in self._ignored:
            self._findings.add(Level.LEFT_OUT, place, name, f"ignored as told: {reason}")
            return
        self._findings.error(
            place,
            f"fastws does not enforce {name} yet",
            reason,
            f"(--ignore {name}, to do without)",
        )

    def _once(self, directives: list[Directive], context: str) -> None:
        first: dict[str, Directive] = {}
        for directive in directives:
            name = directive.name.text
            if not any(rule.once for rule in find(name) if context in rule.contexts):
                continue
            if name in first:
                line = first[name].place.line
                self._findings.error(
                    directive.place, f"{show(name)} is there twice, first in line {line}"
                )
            first.setdefault(name, directive)


def _may_stand(name: str, context: str) -> bool:
    return any(context in rule.contexts for rule in find(name))


def _fits(directive: Directive, context: str) -> bool:
    return any(
        context in rule.contexts
        and rule.block == (directive.block is not None)
        and _enough(rule, len(directive.arguments))
        for rule in find(directive.name.text)
    )


def _cut(directive: Directive, context: str) -> list[Directive]:
    """Cut a directive before every directive's name that begins a line."""
    pieces = [[directive.name]]
    for before, word in pairwise((directive.name, *directive.arguments)):
        begins = word.place.line > before.place.line and not word.quoted
        if begins and _may_stand(word.text, context):
            pieces.append([])
        pieces[-1].append(word)
    *ended, last = pieces
    return [
        *(Directive(words[0], tuple(words[1:])) for words in ended),
        Directive(last[0], tuple(last[1:]), directive.block),
    ]


def _nearest(directive: Directive, allowed: Sequence[Rule]) -> Rule:
    """Return the rule that a directive is meant to follow."""
    with_block = directive.block is not None
    return next((rule for rule in allowed if rule.block == with_block), allowed[0])


def _enough(rule: Rule, count: int) -> bool:
    return rule.least <= count and (rule.most is None or count <= rule.most)


def _count(rule: Rule) -> str:
    if rule.most is None:
        return f"{rule.least} arguments or more"
    if rule.least < rule.most:
        return f"{rule.least} to {rule.most} arguments"
    return f"{rule.least} argument" + ("s" if rule.least != 1 else "")


def _is_address(text: str) -> bool:
    return bool(_ADDRESS.fullmatch(text)) and (bool({".", ":"} & set(text)) or text == "localhost")
