"""What becomes of an upstream's answers, and of errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastws.config.model import compile_pattern, read_template, split_pattern
from fastws.errors import SlowPattern
from fastws.proxy.sites import escapes
from fastws.proxy.sites.results import BODILESS

if TYPE_CHECKING:
    from fastws.config import model
    from fastws.protocol.head import ResponseHead
    from fastws.proxy.decision import Forward, Reply
    from fastws.proxy.sites.variables import Value, Variables
    from fastws.proxy.sites.visit import Visit

# Those that nginx adds headers to without "always".
_WELL = frozenset({200, 201, 204, 206, 301, 302, 303, 304, 307, 308})
_REDIRECTING = (b"location", b"refresh")
_COOKIE = b"set-cookie"
_ADDRESS_IN_REFRESH = re.compile(rb"url *= *", re.IGNORECASE)

Replace = Callable[["Visit", bytes], bytes | None]


@dataclass(slots=True, frozen=True)
class ErrorPage:
    """Where an error leads, and what the client gets as status."""

    to: Value
    status: int | None


class Answers:
    """The rules for answers; see `fastws.config.model.Action`."""

    def __init__(self, written: model.Action, variables: Variables) -> None:
        self._added = [
            (header.name.encode(), variables.text(header.value), header.always)
            for header in written.add_headers
        ]
        self.hidden = frozenset(name.lower().encode() for name in written.hide_headers)
        self.intercepts = written.intercept_errors
        self.error_pages: dict[int, ErrorPage] = {}
        for page in written.error_pages:
            for status in page.statuses:
                made = ErrorPage(variables.text(page.to), page.status)
                self.error_pages.setdefault(status, made)
        self._redirects = _replacements(written.redirects, variables)
        self._domains = _replacements(written.cookie_domains, variables)
        self._paths = _replacements(written.cookie_paths, variables)

    def added(self, visit: Visit, status: int) -> list[tuple[bytes, bytes]]:
        """Return the headers that are added to an answer."""
        return [
            (name, escapes.in_header(found))
            for name, value, always in self._added
            if (always or status in _WELL) and (found := value(visit))
        ]

    def edit(self, visit: Visit, head: ResponseHead) -> tuple[bytes, frozenset[bytes]]:
        """Return the lines to add to an upstream's answer, and the names that do not go on."""
        visit.response = head
        visit.status = head.status if visit.error_status is None else visit.error_status
        visit.added = self.added(visit, visit.status)
        visit.hidden = hidden = self.hidden
        lines = [b"%b: %b\r\n" % header for header in visit.added]
        if self._redirects:
            for name in _REDIRECTING:
                changed = self._readdressed(visit, name, head.values(name))
                if changed is not None:
                    lines.append(changed)
                    hidden |= {name}
        if (self._domains or self._paths) and _COOKIE not in hidden:
            cookies = head.values(_COOKIE)
            if cookies:
                lines += [b"Set-Cookie: %b\r\n" % self._cookie(visit, each) for each in cookies]
                hidden |= {_COOKIE}
        return b"".join(lines), hidden

    def _readdressed(self, visit: Visit, name: bytes, values: list[bytes]) -> bytes | None:
        """Return the line in place of a Location or Refresh, None if it stays as it is."""
        if len(values) != 1:
            return None
        start, address = b"", values[0]
        if name == b"refresh":
            mark = _ADDRESS_IN_REFRESH.search(address)
            if mark is None:
                return None
            start, address = address[: mark.end()], address[mark.end() :]
        replaced = _replaced(self._redirects, visit, address)
        if replaced is None:
            return None
        if name == b"location":
            replaced = visit.site.absolute(visit, replaced)
        return b"%b: %b\r\n" % (name.title(), escapes.in_header(start + replaced))

    def _cookie(self, visit: Visit, value: bytes) -> bytes:
        """Return a cookie with its domain and path replaced."""
        pair, *attributes = value.split(b";")
        kinds = {b"domain": self._domains, b"path": self._paths}
        pieces = [pair.strip()]
        for attribute in attributes:
            name, equals, text = attribute.strip().partition(b"=")
            rules = kinds.get(name.strip().lower(), [])
            replaced = _replaced(rules, visit, text.strip()) if equals else None
            pieces.append(attribute.strip() if replaced is None else name + equals + replaced)
        return escapes.in_header(b"; ".join(pieces))


class Answer:
    """The rules for the answer to one request."""

    __slots__ = ("_answers", "_visit")

    def __init__(self, answers: Answers, visit: Visit) -> None:
        self._answers = answers
        self._visit = visit

    @property
    def status(self) -> int | None:
        """What the client gets instead of the status of the answer that was edited, if anything.

        Where either of the two has no body, the answer's own stays: it says how long the body is.
        """
        visit = self._visit
        if visit.error_status in BODILESS or (visit.response and visit.response.status in BODILESS):
            return None
        return visit.error_status

    def edit(self, head: ResponseHead) -> tuple[bytes, frozenset[bytes]]:
        """Return the lines to add to the answer, and the lower-case names that do not go on."""
        return self._answers.edit(self._visit, head)

    def intercept(self, status: int) -> Reply | Forward | None:
        """Return what is done in place of an answer of this status, if anything."""
        return self._visit.instead(status) if self._answers.intercepts else None


def _replacements(written: Iterable[model.Replacement], variables: Variables) -> list[Replace]:
    return [_replacement(each, variables) for each in written]


def _replacement(written: model.Replacement, variables: Variables) -> Replace:
    new = variables.text(written.replace)
    if found := split_pattern(written.find):
        pattern = compile_pattern(found[0], ignore_case=found[1])

        def by_pattern(visit: Visit, text: bytes) -> bytes | None:
            try:
                matches = visit.matches(pattern, text)
            except SlowPattern:
                return None  # the answer is under way: it goes on as it is
            if not matches or visit.match is None:
                return None
            match = visit.match
            return text[: match.start()] + new(visit) + text[match.end() :]

        return by_pattern
    old = variables.text(read_template(written.find))

    def by_beginning(visit: Visit, text: bytes) -> bytes | None:
        beginning = old(visit)
        return new(visit) + text[len(beginning) :] if text.startswith(beginning) else None

    return by_beginning


def _replaced(rules: list[Replace], visit: Visit, text: bytes) -> bytes | None:
    for rule in rules:
        replaced = rule(visit, text)
        if replaced is not None:
            return replaced
    return None
