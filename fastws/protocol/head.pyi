"""Heads of HTTP/1.1 messages, from bytes: httptools, and what httptools lets pass."""

from typing import Protocol, final, type_check_only

from typing_extensions import disjoint_base

from fastws.protocol.body import Body

@type_check_only
class Limits(Protocol):
    """How big a head may grow."""

    @property
    def head_bytes(self) -> int:
        """All of the head; of a response together with its interim responses."""

    @property
    def headers(self) -> int:
        """How many header lines."""

    @property
    def target_bytes(self) -> int:
        """The target of a request."""

@disjoint_base
class Head:
    """What requests and responses have in common."""

    def __init__(self, limits: Limits) -> None: ...
    @property
    def version(self) -> tuple[int, int]:
        """Major and minor: (1, 0) or (1, 1)."""

    @property
    def size(self) -> int:
        """In bytes; 0 while it is incomplete."""

    @property
    def held(self) -> bytes:
        """What came of it so far, or until it was refused; nothing if that came in one piece."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Exact in name, value and order."""

    @property
    def names(self) -> list[bytes]:
        """Those of the headers, lower-cased."""

    @property
    def dropped(self) -> int:
        """How many headers of a request were dropped, for an underscore in their names."""

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header, by its lower-cased name."""

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; None while incomplete, else those that followed the head.

        Raises ``ValueError`` when it is complete or was refused before. A `RequestHead` raises
        ``Reject``: 400 malformed or ambiguous, 414 target too long, 431 head too large. A
        `ResponseHead` raises ``UpstreamReject`` for anything that is not a well-formed answer
        within the limits.
        """

@final
class RequestHead(Head):
    """The head of a client's request (RFC 9112 section 3)."""

    @property
    def line(self) -> bytes:
        """The whole request line; empty while the head is incomplete."""

    @property
    def method(self) -> bytes:
        """In upper case."""

    @property
    def target(self) -> bytes:
        """In origin-form, byte for byte."""

    @property
    def length(self) -> int:
        """Of the body in bytes, as declared; 0 without a declaration."""

    @property
    def host(self) -> bytes:
        """The Host header; empty where HTTP/1.0 does without."""

    @property
    def origin(self) -> bytes | None:
        """The Origin header; None where there is none."""

    @property
    def is_upgrade(self) -> bool:
        """Whether the request asks to leave HTTP, for any protocol (RFC 9110 section 7.8)."""

    @property
    def is_handshake(self) -> bool:
        """Whether it means to open a WebSocket, well or badly."""

    @property
    def keeps_alive(self) -> bool:
        """Whether another request may follow on its connection (RFC 9112 section 9.3)."""

    @property
    def has_body(self) -> bool:
        """Whether anything follows that belongs to it."""

    def body(self, most: int = 0) -> Body:
        """Make what finds the end of this request's body; a chunked one has ``most`` bytes."""

@final
class ResponseHead(Head):
    """The head of an upstream's answer (RFC 9112 section 4).

    Interim responses other than 101 (RFC 9110 section 15.2) are swallowed, or with ``interim``
    are heads like any other; one limit of bytes covers them and the final head together.
    """

    def __init__(self, limits: Limits, *, interim: bool = False) -> None: ...
    def again(self) -> None:
        """Take the head that follows an interim one."""

    @property
    def keeps_alive(self) -> bool:
        """Whether another answer may follow on its connection (RFC 9112 section 9.3)."""

    @property
    def status(self) -> int:
        """Of three digits; 0 while it is incomplete."""

    @property
    def reason(self) -> bytes:
        """The reason phrase, which may be empty."""

    @property
    def has_chunked_body(self) -> bool:
        """Whether a body follows that says itself where it ends."""

    def body(self, *, to_head: bool = False, bare: bool = False) -> Body:
        """Make what finds the end of this answer's body (RFC 9112 section 6.3).

        ``to_head``: it answers a HEAD. ``bare``: chunks lose their framing on the way.
        """
