"""Collects what is wrong with a configuration, with where each value was written."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from fastws.errors import ConfigError, InvalidConfigError

_INDEX = re.compile(r"\[\d+\]$|\.[^.]+$")


class Faults:
    """The faults of one configuration.

    ``origin`` is the file's name, and ``flags`` maps the path of every key that a flag has set, or
    a line of another syntax, to that flag as it was typed, or to the line's place. A key below such
    a path came from there too.
    """

    def __init__(self, origin: str, flags: Mapping[str, str]) -> None:
        self._origin = origin
        self._flags = flags
        self._errors: list[ConfigError] = []

    def add(self, path: str, message: str, hint: str = "") -> None:
        """Add a fault of the key at ``path``, which is empty for the whole configuration."""
        self._errors.append(ConfigError(self._where(path), message, hint))

    def settle(self) -> None:
        """Raise InvalidConfigError if there are faults."""
        if self._errors:
            raise InvalidConfigError(self._errors)

    def _where(self, path: str) -> str:
        setter = path
        while setter and setter not in self._flags:
            setter = _parent(setter)
        if not setter:
            return f"{self._origin}: {path}" if path else self._origin
        flag = self._flags[setter]
        return flag if path == setter else f"{flag}: {path}"


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return the hint that names the nearest of ``words``, or nothing where none is near."""
    near = nearest(word, words)
    return f'did you mean "{near}"?' if near else ""


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the nearest of ``words``, or nothing where none is near."""
    return "".join(get_close_matches(word, list(words), n=1))


def _parent(path: str) -> str:
    return _INDEX.sub("", path) if _INDEX.search(path) else ""
