import pytest
from support.sites import server

from fastws.config.variables import OF_KEYS, OF_SITES
from fastws.proxy import late
from fastws.proxy.sites import variables


def test_every_variable_that_may_be_written_is_there() -> None:
    assert {*variables._VARIABLES, *late.VARIABLES} == {*OF_KEYS, *OF_SITES}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$scheme://$host$request_uri", "https://a.test/p%20q?a=1"),
        ("$uri|$document_uri|$args|$is_args|$query_string", "/p q|/p q|a=1|?|a=1"),
        ("$arg_a|$arg_b", "1|"),
        ("$http_x_many|$http_none", "1, 2|"),
        ("$cookie_c", "d"),
        ("$remote_addr|$remote_port", "192.0.2.1|50000"),
        ("$server_addr:$server_port $server_name", "127.0.0.1:80 name.test"),
        ("$request_method $server_protocol $https", "GET HTTP/1.1 on"),
        ("$proxy_add_x_forwarded_for", "192.0.2.1"),
        ("${host}name", "a.testname"),
        ("$remote_user", "joe"),
    ],
)
def test_a_text_is_put_together(text: str, value: str) -> None:
    site = server(f'server_name name.test; return 200 "{text}";')
    headers = ("X-Many: 1", "X-Many: 2", "Cookie: b=a; c=d", "Authorization: Basic am9lOnB3")
    assert site.text("/p%20q?a=1", *headers, tls=True) == value


def test_a_request_has_one_id() -> None:
    first, second = server('return 200 "$request_id $request_id";').text().split()
    assert first == second
    assert len(first) == 32
