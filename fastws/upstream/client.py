"""What a balancer may know of the one who wants to connect."""

from typing import Protocol


class Request(Protocol):
    """A request, as far as it can decide where it goes."""

    @property
    def target(self) -> bytes:
        """In origin-form, byte for byte."""

    @property
    def host(self) -> bytes:
        """The Host header; empty where there is none."""

    @property
    def origin(self) -> bytes | None:
        """The Origin header; None from a program that sends none."""

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header, by its lower-cased name."""


class Client(Protocol):
    """Who connects, and what was asked for."""

    @property
    def host(self) -> str:
        """The client's address; empty behind a Unix socket."""

    @property
    def request(self) -> Request:
        """What it is asked for."""
