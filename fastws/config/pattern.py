r"""Regular expressions, which are written as nginx takes them (PCRE) and run by Python's `re`.

The two differ in little that configurations use: ``(?<name>…)``, ``\z``, ``\h``, and classes such
as ``[[:alpha:]]`` are brought into Python's form. They are matched against bytes.
"""

import re
import warnings

_NAMED = re.compile(r"\(\?(?:<(?![=!])|')(\w+)[>']", re.ASCII)
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


def compile_pattern(text: str, *, ignore_case: bool = False) -> re.Pattern[bytes]:
    """Return the compiled pattern. Raises ValueError for one that cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(
                _in_python(text).encode("utf-8", "surrogateescape"),
                re.IGNORECASE if ignore_case else 0,
            )
    except (re.error, Warning, RecursionError, OverflowError) as error:
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
    return [name.lower() for name in re.findall(r"\(\?P?[<'](\w+)[>']", text, re.ASCII)]


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
