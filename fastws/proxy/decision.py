"""What is to be done with a request: what a router says, and a session carries out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fastws._relay import Rules
    from fastws.upstream.client import Request
    from fastws.upstream.group import Upstream


class Incoming(Protocol):
    """A request and where it came from, as far as a router may ask."""

    @property
    def host(self) -> str:
        """The client's address; empty behind a Unix socket."""

    @property
    def request(self) -> Request:
        """Its head."""


@dataclass(slots=True, frozen=True)
class Forward:
    """Pass it to a peer of ``upstream``; ``rules`` are those of a tunnel that comes of it."""

    upstream: Upstream
    rules: Rules
