"""Which of several things a host stands for, by nginx's order."""

from collections.abc import Iterable
from typing import Generic, TypeVar

import regex

from fastws.config.model import Pattern, compile_pattern

_Thing = TypeVar("_Thing")


class Hosts(Generic[_Thing]):
    """Things by their hosts: exact, then the longest ``*.name``, the longest ``name.*``, patterns.

    Of two things with the same host the first gets it.
    """

    def __init__(self, things: Iterable[tuple[Iterable[str], _Thing]]) -> None:
        self._exact: dict[bytes, _Thing] = {}
        self._below: dict[bytes, _Thing] = {}
        self._above: dict[bytes, _Thing] = {}
        self._patterns: list[tuple[Pattern, _Thing]] = []
        for hosts, thing in things:
            for host in hosts:
                self._add(host, thing)

    def find(self, host: bytes) -> tuple[_Thing, regex.Match[bytes] | None] | None:
        """Return what stands for a host in lower case, and how its pattern matched if one did.

        Raises SlowPattern.
        """
        thing = self._exact.get(host) or self._wild(host)
        if thing is not None:
            return thing, None
        for pattern, other in self._patterns:
            if match := pattern.search(host):
                return other, match
        return None

    def _add(self, host: str, thing: _Thing) -> None:
        name = host.encode()
        if host.startswith("~"):
            self._patterns.append((compile_pattern(host[1:], ignore_case=True), thing))
        elif host.startswith("*."):
            self._below.setdefault(name[1:], thing)
        elif host.endswith(".*"):
            self._above.setdefault(name[:-1], thing)
        else:
            self._exact.setdefault(name, thing)

    def _wild(self, host: bytes) -> _Thing | None:
        if self._below:
            dot = host.find(b".")
            while dot >= 0:
                if thing := self._below.get(host[dot:]):
                    return thing
                dot = host.find(b".", dot + 1)
        if self._above:
            dot = host.rfind(b".")
            while dot >= 0:
                if thing := self._above.get(host[: dot + 1]):
                    return thing
                dot = host.rfind(b".", 0, dot)
        return None
