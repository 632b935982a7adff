r"""Text to words and marks, by nginx's rules (``ngx_conf_read_token``).

- A word in quotes ends at the same quote; behind it stands a space, ``;``, ``{`` or ``)``, and the
  bracket begins the next word.
- Any other word ends at a space, ``;`` or ``{``, unless the ``{`` follows a ``$``. Quotes, ``#``
  and ``}`` inside it are just characters.
- A backslash takes the next character along, whatever it is; ``\"``, ``\'``, ``\\``, ``\t``, ``\r``
  and ``\n`` are then replaced, and any other backslash stays.
- ``#`` where a word could begin is a comment up to the end of the line.
"""

import re
from collections.abc import Iterator

import msgspec

from fastws.config.expected import show
from fastws.config.nginx.findings import Findings, Place

# nginx reads a file in pieces of 4096 bytes, and a word or comment has to fit in one.
LONGEST = 4095

_SPACE = re.compile(r"[ \t\r\n]++")
_COMMENT = re.compile(r"#[^\n]*+")
_QUOTED = {
    '"': re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL),
    "'": re.compile(r"'((?:[^'\\]++|\\.)*+)'", re.DOTALL),
}
_BARE = re.compile(r"(?:[^ \t\r\n;{\\$]++|\\.|\$\{*+)++", re.DOTALL)
_AFTER_A_QUOTE = re.compile(r"[ \t\r\n;{)]|\Z")
_ESCAPE = re.compile(r"\\([\"'\\trn])")
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}
_BOM = "\ufeff"


class Word(msgspec.Struct, frozen=True):
    """A directive's name or argument, unescaped and without the quotes it was ``quoted`` in."""

    text: str
    place: Place
    quoted: bool = False


class Mark(msgspec.Struct, frozen=True):
    """One of ``;``, ``{`` and ``}``, or nothing at the end of the file."""

    text: str
    place: Place


def lex(text: str, file: str, findings: Findings) -> Iterator[Word | Mark]:
    """Yield the words and marks of a file, and add what cannot be read to the findings.

    The last one is the empty mark.
    """
    return _Lexer(text, file, findings).tokens()


def spell(text: str) -> str:
    """Return a text as a word that reads back as that text."""
    if text and _BARE.fullmatch(text) and text[0] not in "\"'#}" and "\\" not in text:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Lexer:
    def __init__(self, text: str, file: str, findings: Findings) -> None:
        self._text = text
        self._file = file
        self._findings = findings
        self._at = 0
        self._line = 1
        self._line_start = 0

    def tokens(self) -> Iterator[Word | Mark]:
        self._skip_byte_order_mark()
        while self._at < len(self._text):
            first = self._text[self._at]
            if skipped := _SPACE.match(self._text, self._at):
                self._move(skipped.end())
            elif first == "#":
                self._comment()
            elif first in ";{}":
                yield Mark(first, self._place())
                self._move(self._at + 1)
            elif first in _QUOTED:
                yield from self._quoted(first)
            else:
                yield from self._bare()
        yield Mark("", self._place())

    def _skip_byte_order_mark(self) -> None:
        if self._text.startswith(_BOM):
            self._fault(
                "the file begins with a byte order mark",
                "nginx takes it for a part of the first directive's name",
                "(save the file as UTF-8 without a byte order mark)",
            )
            self._move(1)
            self._line_start = 1

    def _comment(self) -> None:
        match = _COMMENT.match(self._text, self._at)
        assert match is not None  # noqa: S101 - it begins with the #
        self._measure("comment", match[0])
        self._move(match.end())

    def _quoted(self, quote: str) -> Iterator[Word]:
        match = _QUOTED[quote].match(self._text, self._at)
        if match is None:
            self._fault(f"the quote {quote} that opens here is never closed")
            self._move(len(self._text))
            return
        self._measure("word", match[1], f"a closing {quote} may be missing")
        yield Word(_unescape(match[1]), self._place(), quoted=True)
        self._move(match.end())
        if not _AFTER_A_QUOTE.match(self._text, self._at):
            follows = show(self._text[self._at])
            self._fault(
                f"unexpected {follows} right behind a closing {quote}",
                'nginx wants a space, ";" or "{" there',
            )

    def _bare(self) -> Iterator[Word]:
        match = _BARE.match(self._text, self._at)
        if match is None:  # a backslash is the last character
            self._fault("a backslash ends the file")
            self._move(len(self._text))
            return
        self._measure("word", match[0])
        yield Word(_unescape(match[0]), self._place())
        self._move(match.end())

    def _measure(self, kind: str, text: str, why: str = "") -> None:
        if len(text) > LONGEST or len(text.encode("utf-8", "surrogateescape")) > LONGEST:
            self._fault(f"a {kind} of more than {LONGEST} bytes, the most nginx reads", why)

    def _fault(self, what: str, why: str = "", write: str = "") -> None:
        self._findings.error(self._place(), what, why, write)

    def _place(self) -> Place:
        return Place(self._file, self._line, self._at - self._line_start + 1)

    def _move(self, to: int) -> None:
        newlines = self._text.count("\n", self._at, to)
        if newlines:
            self._line += newlines
            self._line_start = self._text.rindex("\n", self._at, to) + 1
        self._at = to


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)
