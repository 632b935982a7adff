import pytest

from fastws.proxy.sites import escapes


def test_what_nginx_escapes_in_a_path() -> None:
    assert escapes.in_path(b'/a b%?#\x01\xff"<>\\^`{|}') == (
        b"/a%20b%25%3F%23%01%FF%22%3C%3E%5C%5E%60%7B%7C%7D"
    )
    assert escapes.in_path(b"/a-b._~!$&'()*+,;=:@[]") == b"/a-b._~!$&'()*+,;=:@[]"


def test_arguments_are_stricter() -> None:
    assert escapes.in_argument(b"a&b+c;d/e") == b"a%26b%2Bc%3Bd/e"


@pytest.mark.parametrize("escape", [escapes.in_target, escapes.in_header])
def test_no_line_ends_within(escape: object) -> None:
    assert escape(b"a\r\nB: c\0") == b"a%0D%0AB:%20c%00".replace(  # type: ignore[operator]
        b"%20", b"%20" if escape is escapes.in_target else b" "
    )


def test_a_redirect_has_no_escapes_that_it_does_not_need() -> None:
    assert escapes.in_redirect(b"/%41%20%2F%C3?%41") == b"/A%20/%C3?%41"
