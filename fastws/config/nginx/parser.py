"""Words to a tree of directives, with included files in the place of their ``include``.

What nginx would stop at is put down as a finding, and reading goes on: what comes behind it may be
wrong too.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fastws.config.expected import show
from fastws.config.nginx.files import Files
from fastws.config.nginx.findings import Findings, Place
from fastws.config.nginx.lexer import Mark, Word, lex, spell

DEEPEST = 100  # blocks inside one another; nginx itself has no limit
DEEPEST_INCLUDE = 16


class Directive(msgspec.Struct, frozen=True):
    """A name with arguments, and the directives of its block if it has one."""

    name: Word
    arguments: tuple[Word, ...] = ()
    block: "tuple[Directive, ...] | None" = None

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.name.place

    @property
    def values(self) -> tuple[str, ...]:
        """The texts of its arguments."""
        return tuple(argument.text for argument in self.arguments)


def write(name: str, *values: str) -> str:
    """Return a directive as it would be written."""
    return f"{' '.join(map(spell, (name, *values)))};"


def parse(path: str, data: bytes, findings: Findings) -> tuple[Directive, ...]:
    """Return the tree of the main file at ``path``, which holds ``data``.

    What cannot be read is added to the findings. Raises EnoughError beyond a limit.
    """
    return _Parser(path, findings).main(data)


class _Parser:
    """Recursive descent, a call for every block."""

    def __init__(self, path: str, findings: Findings) -> None:
        self._path = path
        self._findings = findings
        self._files = Files(Path(path).parent)
        self._open: list[str] = []  # the files that include one another, the main file first

    def main(self, data: bytes) -> tuple[Directive, ...]:
        try:
            text = self._files.take(data)
        except ValueError as fault:
            self._findings.stop(Place(self._path, 1, 1), str(fault))
        return self._file(self._path, text, depth=0)

    def _file(self, path: str, text: str, depth: int) -> tuple[Directive, ...]:
        self._open.append(os.path.realpath(path))
        tokens = lex(text, path, self._findings)
        tree = tuple(self._level(tokens, None, depth))
        self._open.pop()
        return tree

    def _level(
        self, tokens: Iterator[Word | Mark], opened: Word | None, depth: int
    ) -> Iterator[Directive]:
        """Yield the directives up to the end of a block, which ``opened``, or of a file."""
        words: list[Word] = []
        for token in tokens:
            if isinstance(token, Word):
                words.append(token)
            elif token.text == ";" and words:
                yield from self._simple(words, depth)
                words = []
            elif token.text == "{" and words:
                yield self._block(words, tokens, token, depth)
                words = []
            elif token.text in {"}", ""}:
                yield from self._rest(words, token, depth)
                words = []
                if self._ends(token, opened):
                    return
            else:
                self._fault(
                    token.place, f'unexpected "{token.text}": no directive stands before it'
                )
                if token.text == "{":
                    nameless = Word("", token.place)
                    yield from self._block([nameless], tokens, token, depth).block or ()

    def _ends(self, mark: Mark, opened: Word | None) -> bool:
        if mark.text == "}" and opened is None:
            self._fault(mark.place, 'unexpected "}": no block is open here')
            return False
        if not mark.text and opened is not None:
            what = f'the block of {show(opened.text)} is never closed: a "}}" is missing'
            self._fault(opened.place, what)
        return True

    def _rest(self, words: list[Word], mark: Mark, depth: int) -> Iterator[Directive]:
        """Yield the directive that a ``}`` or the end of the file cuts off, if there is one."""
        if not words:
            return
        ends = f'a "{mark.text}"' if mark.text else "the end of the file"
        what = f'{show(words[0].text)} is not ended by ";" before {ends}'
        self._fault(words[-1].place, what)
        yield from self._simple(words, depth)

    def _simple(self, words: list[Word], depth: int) -> Iterator[Directive]:
        directive = Directive(words[0], tuple(words[1:]))
        if words[0].text == "include" and len(words) == 2:
            yield from self._include(words[1], depth)
        else:
            yield directive

    def _block(
        self, words: list[Word], tokens: Iterator[Word | Mark], mark: Mark, depth: int
    ) -> Directive:
        if depth >= DEEPEST:
            self._findings.stop(mark.place, f"more than {DEEPEST} blocks inside one another")
        block = tuple(self._level(tokens, words[0], depth + 1))
        return Directive(words[0], tuple(words[1:]), block)

    def _include(self, name: Word, depth: int) -> Iterator[Directive]:
        if len(self._open) > DEEPEST_INCLUDE:
            what = f"more than {DEEPEST_INCLUDE} files include one another"
            self._findings.stop(name.place, what)
        try:
            paths = self._files.matching(name.text)
        except ValueError as fault:
            self._fault(name.place, f"cannot include {show(name.text)}: {fault}")
            return
        for path in paths:
            yield from self._included(path, name, depth)

    def _included(self, path: str, name: Word, depth: int) -> tuple[Directive, ...]:
        if os.path.realpath(path) in self._open:
            self._fault(name.place, f"{path} includes itself, here or by way of others")
            return ()
        try:
            text = self._files.read(path)
        except OSError as fault:
            what = f"cannot include {path}: {fault.strerror}"
            self._fault(name.place, what, "relative names are relative to the main file's folder")
            return ()
        except ValueError as fault:
            self._findings.stop(name.place, str(fault))
        return self._file(path, text, depth)

    def _fault(self, place: Place, what: str, why: str = "") -> None:
        self._findings.error(place, what, why)
