"""Sec-WebSocket-Extensions: the names in it, and what an agreed extension does to frames."""

from collections.abc import Iterable

def parse(values: Iterable[bytes]) -> tuple[bytes, ...]:
    """Name the extensions in all lines of the field, in order.

    Raises ``ValueError`` for a malformed list (RFC 6455 section 9.1).
    """

def rsv_rules(agreed: Iterable[bytes]) -> tuple[int, int]:
    """Tell which RSV bits may be set on a message's first frame, and on its continuations."""
