from __future__ import annotations

import pytest

from fastws.proxy.sites.murmur import murmur_hash


@pytest.mark.parametrize(
    ("data", "number"),
    [
        (b"", 0),
        (b"a", 2456313694),
        (b"ab", 446775395),
        (b"abc", 324500635),
        (b"abcd", 646393889),
        (b"abcdefg", 4188131059),
    ],
)
def test_a_text_of_any_length_has_a_hash(data: bytes, number: int) -> None:
    assert murmur_hash(data) == number
