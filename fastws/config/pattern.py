r"""Regular expressions, which are written as nginx takes them (PCRE) and run by `regex`.

It has what configurations use of PCRE: atomic groups and possessive repetition, ``\K``, recursion.
What remains (``\z``, ``\h``, classes such as ``[[:alpha:]]``) is brought into its form. They are
matched against bytes, and no client can make a match last.
"""

import re
import warnings

import regex

from fastws.errors import SlowPattern

# Seconds of processor time. A match takes some microseconds; one that takes so long was made to, by
# a client who knows the pattern.
LIMIT = 0.05

# What can make a match long; where there is nothing of it the clock is not looked at.
_REPEATS = re.compile(r"[*+{]|\(\?[R0-9&P]")

_NAMED = re.compile(r"\(\?(?:<(?![=!])|')(\w+)[>']", re.ASCII)
_GROUP = re.compile(r"\(\?P?[<'](\w+)[>']", re.ASCII)
_ESCAPES = {
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "h": r"[ \t]",
    "H": r"[^ \t]",
    "R": r"(?:\r\n|[\n\v\f\r])",
    "e": r"\x1b",
}
_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "word": r"\w",
    "xdigit": "0-9a-fA-F",
    "punct": r"!-/:-@\[-`{-~",
    "blank": r" \t",
}
_CLASS = re.compile(r"\[:(\w+):\]", re.ASCII)


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_compiled", "_seconds", "_text")

    def __init__(self, text: str, compiled: regex.Pattern[bytes]) -> None:
        self._text = text
        self._compiled = compiled
        self._seconds = LIMIT if _REPEATS.search(text) else None

    def search(self, subject: bytes) -> regex.Match[bytes] | None:
        """Return the first match. Raises SlowPattern when that takes too long."""
        try:
            return self._compiled.search(subject, timeout=self._seconds)
        except TimeoutError:
            raise SlowPattern(self._text, LIMIT) from None


def compile_pattern(text: str, *, ignore_case: bool = False) -> Pattern:
    """Return the compiled pattern. Raises ValueError for one that cannot be read."""
    names = _GROUP.findall(text)
    if len(set(names)) < len(names):
        raise ValueError("is no regular expression that can be used here: two groups have one name")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled = regex.compile(
                _in_python(text).encode("utf-8", "surrogateescape"),
                regex.IGNORECASE if ignore_case else 0,
            )
            return Pattern(text, compiled)
    except (regex.error, Warning, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression that can be used here: {error}") from None


def split_pattern(text: str) -> tuple[str, bool] | None:
    """Return the pattern of ``~pattern`` or ``~*pattern``, and whether case is ignored.

    None for a text that is no pattern.
    """
    if text.startswith("~*"):
        return text[2:], True
    return (text[1:], False) if text.startswith("~") else None


def group_names(text: str) -> list[str]:
    """Return the names of a pattern's groups, in lower case: each becomes a variable."""
    return [name.lower() for name in _GROUP.findall(text)]


def _in_python(text: str) -> str:
    pieces: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "[":
            end = _end_of_set(text, at)
            pieces.append(_set(text[at:end]))
        elif text[at] == "\\":
            end = at + 2
            pieces.append(_ESCAPES.get(text[at + 1 : end], text[at:end]))
        elif named := _NAMED.match(text, at):
            end = named.end()
            pieces.append(f"(?P<{named[1]}>")
        else:
            end = at + 1
            pieces.append(text[at])
        at = end
    return "".join(pieces)


def _end_of_set(text: str, at: int) -> int:
    """Return where the set of characters that begins at ``at`` is over."""
    at += 2 if text[at + 1 : at + 2] == "^" else 1
    at += text[at : at + 1] == "]"  # in the first place it stands for itself
    while at < len(text) and text[at] != "]":
        if named := _CLASS.match(text, at):
            at = named.end()
        else:
            at += 2 if text[at] == "\\" else 1
    return at + 1


def _set(text: str) -> str:
    r"""Return a set in Python's form, in which a bracket or a doubled mark means nothing new."""
    start = "[^" if text.startswith("[^") else "["
    inside = _CLASS.sub(lambda named: _CLASSES.get(named[1], named[0]), text[len(start) : -1])
    return start + re.sub(r"(?<!\\)\[|(?<=[&|~])[&|~]", r"\\\g<0>", inside) + text[-1:]
