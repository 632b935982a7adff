"""Blocks inside blocks: what is in force where, by nginx's rules of inheritance."""

import re
from collections.abc import Iterator, Sequence

import msgspec

from fastws.config.nginx.parser import Directive

Tree = tuple[Directive, ...]

_LEVELS = frozenset({"http", "server", "location", "if", "limit_except"})
# Paths under which WebSockets are usual, and those where nothing else is to be expected.
_USUAL = re.compile(
    r"(?<![a-z0-9])(wss?|websockets?|socket(\.io)?|sockjs|engine\.io|cable|signalr|hubs?|live)"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)
_ONLY = re.compile(r"(?<![a-z0-9])(wss?|websockets?|cable)(?![a-z0-9])", re.IGNORECASE)


class Scope(msgspec.Struct, frozen=True):
    """A level of the configuration.

    ``directive`` opens its block, None at the outermost; ``content`` is what stands in it, and
    ``named`` the same by name.
    """

    directive: Directive | None
    content: Tree
    named: dict[str, list[Directive]]
    outer: "Scope | None"

    def own(self, name: str) -> Sequence[Directive]:
        """Return the directives of a name that stand at this very level."""
        return self.named.get(name, ())

    def levels(self) -> Iterator["Scope"]:
        """Yield this level and those around it, from the inside out."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def nearest(self, name: str) -> Sequence[Directive]:
        """Return the directives of a name that are in force: a level that has any hides others."""
        return next(filter(None, (level.own(name) for level in self.levels())), ())

    def nearest_of(self, *names: str) -> Sequence[Directive]:
        """Return the directives of several names that inherit as one, in order."""
        for level in self.levels():
            if any(level.own(name) for name in names):
                return [each for each in level.content if each.name.text in names]
        return ()

    def inside(self, name: str) -> "Iterator[Scope]":
        """Yield the levels that directives of a name open in this one, in order."""
        return (open_scope(each, each.block or (), self) for each in self.own(name))

    def value(self, name: str) -> str:
        """Return the first argument of a directive that is in force, or nothing."""
        return next((value for each in self.nearest(name) for value in each.values[:1]), "")

    def header(self, name: str) -> Directive | None:
        """Return the ``proxy_set_header`` in force for a header, by its name in lower case."""
        return _header(self.nearest("proxy_set_header"), name)

    def lost_header(self, name: str) -> Directive | None:
        """Return the ``proxy_set_header`` of an outer level that an inner level hides."""
        if self.header(name):
            return None
        everywhere = (_header(level.own("proxy_set_header"), name) for level in self.levels())
        return next(filter(None, everywhere), None)

    def around(self, name: str) -> "Scope | None":
        """Return the innermost level, this one included, that a directive of a name opens."""
        return next((level for level in self.levels() if level.opened_by == name), None)

    @property
    def opened_by(self) -> str:
        """The name of the directive that opens this level, or nothing."""
        return self.directive.name.text if self.directive else ""

    @property
    def path(self) -> str:
        """The path or pattern of the location that this level is in, or nothing."""
        location = self.around("location")
        values = location.directive.values if location and location.directive else ()
        return values[-1] if values else ""

    @property
    def passes_upgrade(self) -> bool:
        """Whether the Upgrade header is set for the upstream."""
        upgrade = self.header("upgrade")
        return upgrade is not None and upgrade.values[1] != ""

    @property
    def speaks_websocket(self) -> bool:
        """Whether WebSockets are meant to pass here."""
        return self.passes_upgrade or bool(_USUAL.search(self.path))

    @property
    def speaks_nothing_else(self) -> bool:
        """Whether the path is one for WebSockets alone."""
        return bool(_ONLY.search(self.path))


class Site(msgspec.Struct, frozen=True):
    """A judged tree, and what is asked of it; ``whole`` unless it is meant to be included."""

    tree: Tree
    whole: bool
    scopes: tuple[Scope, ...]

    @property
    def proxies(self) -> Iterator[tuple[Scope, Directive]]:
        """Every level that passes requests on, with its ``proxy_pass``."""
        return ((scope, each) for scope in self.scopes for each in scope.own("proxy_pass"))

    def all(self, name: str) -> Tree:
        """Return the directives of a name, on whichever level."""
        return tuple(directive for scope in self.scopes for directive in scope.own(name))


def survey(tree: Tree, *, whole: bool) -> Site:
    """Return what is asked of a tree that `grammar.judge` returned."""
    return Site(tree, whole, tuple(_scopes(None, tree, None)))


def open_scope(opening: Directive | None, content: Tree, outer: Scope | None) -> Scope:
    """Return the level that a directive opens within another."""
    named: dict[str, list[Directive]] = {}
    for directive in content:
        named.setdefault(directive.name.text, []).append(directive)
    return Scope(opening, content, named, outer)


def _scopes(opening: Directive | None, content: Tree, outer: Scope | None) -> Iterator[Scope]:
    scope = open_scope(opening, content, outer)
    yield scope
    for directive in content:
        if directive.block is not None and directive.name.text in _LEVELS:
            yield from _scopes(directive, directive.block, scope)


def _header(directives: Sequence[Directive], name: str) -> Directive | None:
    """Return the last directive that sets a header."""
    return next((each for each in reversed(directives) if each.values[0].lower() == name), None)
