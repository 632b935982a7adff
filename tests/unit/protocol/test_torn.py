import pytest

from fastws.protocol.torn import Torn

WHOLE = b"GET /a?b HTTP/1.1\r\nHost: a.test\r\nX-A: 1 \r\nx-a: 2\r\n"


def test_all_that_came_is_read() -> None:
    torn = Torn(WHOLE + b"Origin: o")
    assert (torn.line, torn.method, torn.target) == (b"GET /a?b HTTP/1.1", b"GET", b"/a?b")
    assert (torn.version, torn.host, torn.values(b"x-a")) == ((1, 1), b"a.test", [b"1", b"2"])
    assert torn.origin is None
    assert Torn(WHOLE + b"Origin: o\r\n").origin == b"o"
    assert torn.size == len(WHOLE) + 9


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", b""),
        (b"GE", b"GE"),
        (b"GET /a HTTP/1.1", b"GET /a HTTP/1.1"),  # there may be more of it
        (b"\x16\x03\x01\x02\r\nHost: a\r\n", b"\x16\x03\x01\x02"),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n", b"GET /a b HTTP/1.1"),
        (b"GET /a HTTP/2.0\r\nHost: a\r\n", b"GET /a HTTP/2.0"),
        (b"get / HTTP/1.1\r\nHost: a\r\n", b"get / HTTP/1.1"),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n", b""),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n", b"GET /\x00 HTTP/1.1"),
    ],
)
def test_of_a_line_that_is_none_there_is_only_its_text(data: bytes, line: bytes) -> None:
    torn = Torn(data)
    assert (torn.line, torn.method, torn.target) == (line, b"", b"")
    assert (torn.version, torn.host) == ((), b"")


def test_headers_are_read_up_to_one_that_is_malformed() -> None:
    for bad in (b"bad header: x\r\n", b" folded\r\n", b"none\r\n", b"a: b\n", b": x\r\n", b"\r\n"):
        torn = Torn(WHOLE + bad + b"X-B: b\r\n")
        assert torn.host == b"a.test"
        assert torn.values(b"x-b") == []


def test_of_several_hosts_it_is_the_first() -> None:
    assert Torn(WHOLE + b"Host: b.test\r\n").host == b"a.test"


def test_what_is_kept_has_an_end() -> None:
    assert len(Torn(b"GET /" + b"a" * 60_000).line) == 8192
    torn = Torn(WHOLE + b"X-B: b\r\n" * 20_000)
    assert len(torn.values(b"x-b")) == 97


def test_blanks_without_an_end_are_read_once() -> None:
    """Not once for each place where the value might begin: that would take days."""
    torn = Torn(WHOLE + b"X-B:" + b" \t" * 2_000_000)
    assert (torn.host, torn.values(b"x-b")) == (b"a.test", [])
