"""The hash of a handshake against hashlib's, by way of the Accept made with it."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.protocol.accept import accept_key

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@given(st.binary(min_size=24, max_size=24))
def test_it_is_the_hash_of_the_standard(key: bytes) -> None:
    assert accept_key(key) == b64encode(sha1(key + GUID).digest())


@pytest.mark.parametrize("key", [b"\0" * 24, b"\xff" * 24, b"A" * 22 + b"=="])
def test_it_is_at_the_ends_of_the_range(key: bytes) -> None:
    assert accept_key(key) == b64encode(sha1(key + GUID).digest())
