"""The body of an HTTP message on its way from one connection to another."""

import asyncio
from typing import Protocol, final

from fastws._relay import Relay
from fastws.protocol.body import Body

class _Owner(Protocol):
    """Who wants to know when a body has passed."""

    def pumped(self, rest: bytes) -> None:
        """All of it went on, or its framing is broken; `rest` came behind it."""

@final
class Pump(Relay):
    """Moves `body` from one transport to another.

    `most`: bytes that are queued for the sink before the source pauses. Transports of the loop have
    their protocols feed, pause and resume it.
    """

    def __init__(
        self,
        source: asyncio.Transport,
        sink: asyncio.Transport,
        body: Body,
        owner: _Owner,
        *,
        most: int,
    ) -> None: ...
    @property
    def body(self) -> Body:
        """What says how much of the bytes goes on."""

    @property
    def moved(self) -> int:
        """Bytes that came, framing included."""

    @property
    def taken(self) -> int:
        """How many of them the sink's peer has taken, as far as can be told."""

    @property
    def paused(self) -> bool:
        """Whether the sink takes no more, so that nothing is read."""

    @property
    def over(self) -> bool:
        """Whether it moves nothing any more."""

    def start(self, early: bytes) -> None:
        """Begin with what has come already."""

    def stop(self) -> None:
        """Move nothing any more."""

    def feed(self, data: bytes) -> None:
        """The source sent `data`."""

    def eof(self) -> bool:
        """The source sends no more; whether the body is whole."""

    def pause(self) -> None:
        """The sink takes no more."""

    def resume(self) -> None:
        """The sink takes more."""
