"""The answer to a handshake's key."""

from __future__ import annotations

import pytest

from fastws.protocol.accept import accept_key


def test_the_accept_key_of_the_rfc() -> None:
    # RFC 6455 section 1.3
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("size", [0, 23, 25, 60])
def test_only_a_key_is_hashed(size: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        accept_key(b"a" * size)
