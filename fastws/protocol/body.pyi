"""Where a body ends, and what of it goes on (RFC 9112 sections 6.3 and 7.1)."""

from typing import final

from typing_extensions import disjoint_base

@disjoint_base
class Body:
    """A body of one framing."""

    @property
    def complete(self) -> bool:
        """Whether all of it has been fed."""

    @property
    def fault(self) -> str | None:
        """How its framing is broken, if it is; then nothing more of it is taken."""

    @property
    def size(self) -> int:
        """In bytes, what has come so far, without framing."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take more bytes: what of them goes on, and what is behind the body."""

    def eof(self) -> bool:
        """Take the end of the stream, and tell whether the body is whole."""

@final
class SizedBody(Body):
    """A body of a declared length, or none."""

    def __init__(self, length: int) -> None: ...

@final
class StreamBody(Body):
    """A body that the end of the stream ends."""

@final
class ChunkedBody(Body):
    """A body in chunks, with its trailers.

    Chunk extensions do not go on, and in trailers what belongs before a body. ``trailers``: how
    many of them it may have. ``most``: its greatest size in bytes; 0: no limit. ``bare``: only the
    payload goes on.
    """

    def __init__(self, trailers: int, *, most: int = 0, bare: bool = False) -> None: ...
    @property
    def too_large(self) -> bool:
        """Whether its fault is that it has more than ``most`` bytes."""
