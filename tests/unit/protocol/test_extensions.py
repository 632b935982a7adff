from __future__ import annotations

import pytest

from fastws.protocol.extensions import parse, rsv_rules


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ()),
        ([b""], ()),
        ([b" , ,\t"], ()),
        ([b"permessage-deflate"], (b"permessage-deflate",)),
        ([b"permessage-deflate; client_max_window_bits"], (b"permessage-deflate",)),
        ([b"a;b=1;c = 2 , d\t;\te=f,", b"g"], (b"a", b"d", b"g")),
        ([b'a; b="1"'], (b"a",)),
        ([b'a; b="1, c; d=2", e'], (b"a", b"e")),
        ([b'a; b="\\", c\\\\", e'], (b"a", b"e")),
        ([b"x, x"], (b"x", b"x")),
    ],
)
def test_lists(values: list[bytes], expected: tuple[bytes, ...]) -> None:
    assert parse(values) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"a b",
        b";a",
        b"a;",
        b"a;;b",
        b"a; b=",
        b"a; =b",
        b'a; b="c',
        b'"a"',
        b'a; b="c"d',
        b"a/b",
        b"a\xff",
        b"a, b c",
        b'a; b="c\\"',
    ],
)
def test_malformed_lists(value: bytes) -> None:
    with pytest.raises(ValueError, match="malformed"):
        parse([value])


def test_a_quote_does_not_reach_into_the_next_line() -> None:
    with pytest.raises(ValueError, match="malformed"):
        parse([b'a; b="', b'c", d'])


def test_a_hostile_list_is_read_in_linear_time() -> None:
    with pytest.raises(ValueError, match="malformed"):
        parse([b"a;" + b" " * 60_000 + b"x;" * 20_000 + b"="])


@pytest.mark.parametrize(
    ("agreed", "expected"),
    [
        ((), (0, 0)),
        ((b"permessage-deflate",), (0x40, 0)),
        ((b"x-custom",), (0x70, 0x70)),
        ((b"permessage-deflate", b"x-custom"), (0x70, 0x70)),
    ],
)
def test_rsv_bits(agreed: tuple[bytes, ...], expected: tuple[int, int]) -> None:
    assert rsv_rules(agreed) == expected
