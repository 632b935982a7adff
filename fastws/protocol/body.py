"""Where the body of an upstream's answer ends; its bytes are relayed as they came."""

from typing import Protocol

from httptools import HttpParserError, HttpResponseParser

from fastws.errors import UpstreamReject

_EMPTY_LINE = b"\r\n\r\n"


class Body(Protocol):
    """A body of one framing (RFC 9112 section 6.3)."""

    @property
    def complete(self) -> bool:
        """Whether all of it has been fed."""

    def feed(self, data: bytes) -> int:
        """Take more bytes and tell how many of them belong to the body.

        Raises ``UpstreamReject`` where the framing is broken.
        """

    def eof(self) -> bool:
        """Take the end of the stream and tell whether the body is whole."""


class SizedBody:
    """A body of a declared length, or none."""

    __slots__ = ("_left", "complete")

    def __init__(self, length: int) -> None:
        self._left = length
        self.complete = length == 0

    def feed(self, data: bytes) -> int:
        """Count down; surplus bytes belong to nobody."""
        taken = min(len(data), self._left)
        self._left -= taken
        self.complete = self._left == 0
        return taken

    def eof(self) -> bool:
        """Tell whether it was complete before."""
        return self.complete


class StreamBody:
    """A body that the end of the stream ends."""

    __slots__ = ("complete",)

    def __init__(self) -> None:
        self.complete = False

    def feed(self, data: bytes) -> int:
        """Take everything."""
        return len(data)

    def eof(self) -> bool:
        """Take the end of the stream for its end."""
        self.complete = True
        return True


class ChunkedBody:
    """A chunked body, with its trailers.

    httptools says that a body is complete, but not where it ended. The end is always an empty
    line, so it is fed up to each empty line in turn and never sees what follows the body.
    """

    __slots__ = ("_parser", "_seen", "_tail")

    def __init__(self) -> None:
        self._seen = _Seen()
        self._parser = HttpResponseParser(self._seen)
        self._parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self._tail = b""

    @property
    def complete(self) -> bool:
        """Whether the last chunk and its trailers have been fed."""
        return self._seen.complete

    def feed(self, data: bytes) -> int:
        """Follow the chunks to their end.

        Raises ``UpstreamReject`` for malformed chunks.
        """
        window = self._tail + data
        start = at = len(self._tail)
        blank = window.find(_EMPTY_LINE)
        while blank >= 0 and not self.complete:
            self._parse(window[at : blank + 4])
            at = blank + 4
            blank = window.find(_EMPTY_LINE, blank + 2)
        if not self.complete:
            self._parse(window[at:])
            at = len(window)
        self._tail = window[-3:]
        return at - start

    def eof(self) -> bool:
        """Tell whether it was complete before."""
        return self.complete

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            raise UpstreamReject(f"The upstream sent a malformed chunk: {error}.") from error


class _Seen:
    """What the parser reports; apart from the body, so that no reference cycle is made."""

    __slots__ = ("complete",)

    def __init__(self) -> None:
        self.complete = False

    def on_message_complete(self) -> None:
        self.complete = True
