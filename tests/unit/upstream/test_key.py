from __future__ import annotations

import pytest
from support.upstreams import Asked, Asker, asker

from fastws.config.template import read_template
from fastws.errors import Reject
from fastws.upstream.key import compile_key


def key(template: str, client: Asker) -> bytes:
    return compile_key(read_template(template))(client)


TARGET = b"//a/%41/../b%20c?x=1&Y=%20&xx=3&x=4&empty=&flag"
HEADERS = (
    (b"X-Room", b"one"),
    (b"x-room", b"two"),
    (b"Cookie", b"a=b; sid=7 ; other"),
    (b"cookie", b"sid=8; SID2 = x"),
)
CLIENT = Asker("192.0.2.7", Asked(TARGET, b"Chat.Example.com.:8080", list(HEADERS)))


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("$remote_addr", b"192.0.2.7"),
        ("$binary_remote_addr", bytes([192, 0, 2, 7])),
        ("$request_uri", TARGET),
        ("$uri", b"/a/b c"),
        ("$args", TARGET.partition(b"?")[2]),
        ("$query_string", TARGET.partition(b"?")[2]),
        ("$arg_x", b"1"),
        ("$arg_y", b"%20"),
        ("$arg_xx", b"3"),
        ("$arg_empty", b""),
        ("$arg_flag", b""),
        ("$arg_none", b""),
        ("$host", b"chat.example.com"),
        ("$http_x_room", b"one, two"),
        ("$http_cookie", b"a=b; sid=7 ; other; sid=8; SID2 = x"),
        ("$http_none", b""),
        ("$cookie_sid", b"7 "),
        ("$cookie_SID2", b"x"),
        ("$cookie_a", b"b"),
        ("$cookie_other", b""),
        ("$cookie_none", b""),
        ("constant", b"constant"),
        ("é", "é".encode()),
        ("a-${arg_x}b$arg_xx/$host", b"a-1b3/chat.example.com"),
    ],
)
def test_a_variable_has_nginxs_value(template: str, value: bytes) -> None:
    assert key(template, CLIENT) == value


@pytest.mark.parametrize(
    ("host", "text", "binary"),
    [
        ("2001:db8::1", b"2001:db8::1", b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"),
        ("fe80::1%eth0", b"fe80::1%eth0", b"\xfe\x80" + bytes(13) + b"\1"),
        ("", b"unix:", b"unix:"),
    ],
)
def test_an_address_is_of_any_family(host: str, text: bytes, binary: bytes) -> None:
    assert key("$remote_addr", Asker(host)) == text
    assert key("$binary_remote_addr", Asker(host)) == binary


@pytest.mark.parametrize(
    ("host", "name"),
    [(b"[::1]:80", b"[::1]"), (b"[::A]", b"[::a]"), (b"A", b"a"), (b"a.:80", b"a")],
)
def test_a_host_is_without_its_port(host: bytes, name: bytes) -> None:
    assert key("$host", Asker(request=Asked(host=host))) == name


def test_arguments_end_at_a_fragment() -> None:
    assert key("$arg_a|$args", asker(b"/?a=1#?a=2&b")) == b"1|a=1"


def test_a_path_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Reject):
        key("$uri", asker(b"/%zz"))
