"""Locations, and which of them a path belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.config.model import compile_pattern
from fastws.proxy.sites.steps import compile_steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastws.config import model
    from fastws.proxy.sites.actions import Action, Actions
    from fastws.proxy.sites.steps import Do
    from fastws.proxy.sites.variables import Variables
    from fastws.proxy.sites.visit import Visit

_PREFIXES = ("prefix", "prefix_first")
_PATTERNS = ("regex", "regex_nocase")


class Location:
    """What is done with the requests that belong here."""

    def __init__(self, written: model.Location, variables: Variables, actions: Actions) -> None:
        plain = written.match not in (*_PATTERNS, "named")
        self.path = written.path.encode()
        self.internal = written.internal
        # A path that lacks the slash at the end of this one is sent here, if anything is passed on.
        self.slashed = plain and self.path.endswith(b"/") and written.action.forward is not None
        self.goes_first = written.match == "prefix_first"
        self.pattern = (
            compile_pattern(written.path, ignore_case=written.match == "regex_nocase")
            if written.match in _PATTERNS
            else None
        )
        size = len(self.path) if plain else 0

        def make(action: model.Action) -> Action:
            return actions.make(action, size)

        self.action = make(written.action)
        self._steps = compile_steps(written.steps, variables, make)
        self.locations = Locations(written.locations, variables, actions)
        self.has_inner = bool(written.locations)
        other = written.other_methods
        self._methods = frozenset(method.encode() for method in other.methods) if other else None
        self._for_others = make(other.action) if other else self.action

    def action_for(self, method: bytes) -> Action:
        """Return what is done with requests of a method."""
        return self.action if self._is_for(method) else self._for_others

    def steps_for(self, method: bytes) -> Do | None:
        """Return what is done before that; nothing where the method has an action of its own."""
        return self._steps if self._is_for(method) else None

    def _is_for(self, method: bytes) -> bool:
        return self._methods is None or method in self._methods


class Locations:
    """The locations of one level."""

    def __init__(
        self, written: Iterable[model.Location], variables: Variables, actions: Actions
    ) -> None:
        made = [(each.match, Location(each, variables, actions)) for each in written]
        self.exact = {each.path: each for match, each in made if match == "exact"}
        self._prefixes = sorted(
            (each for match, each in made if match in _PREFIXES),
            key=lambda each: len(each.path),
            reverse=True,
        )
        self._patterned = [each for _, each in made if each.pattern]
        # By the path without the slash.
        self._slashed = {each.path[:-1]: each for match, each in reversed(made) if each.slashed}

    def find(self, visit: Visit) -> tuple[Location | None, bool]:
        """Return the location of a path, and whether nothing may take it from it.

        A location that a slash is missing for is such a one: see `lacks_slash`.
        """
        path = visit.path
        if exact := self.exact.get(path):
            return exact, True
        found = self._longest(path)
        if (slashed := self._slashed.get(path)) and (found is None or found.path != path):
            return slashed, True
        inner = found
        if found is not None and found.has_inner:
            inside, final = found.locations.find(visit)
            if final:
                return inside, True
            inner = inside or found
        if found is None or not found.goes_first:
            for each in self._patterned:
                assert each.pattern is not None  # noqa: S101 - these are those that have one
                if visit.matches(each.pattern, path):
                    inside, _ = each.locations.find(visit)
                    return inside or each, True
        return inner, False

    def _longest(self, path: bytes) -> Location | None:
        for each in self._prefixes:
            if path.startswith(each.path):
                return each
        return None
