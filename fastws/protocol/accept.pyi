"""The hash that answers the key of a handshake (RFC 6455 section 4.2.2, 5.4)."""

def accept_key(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that answers `key` (RFC 6455 section 4.2.2, 5.4).

    Raises ValueError for a key that is not of 24 bytes.
    """
