from typing import Any

import pytest

from fastws.config.nginx.check import read
from fastws.config.nginx.findings import Level
from fastws.config.nginx.passing import read_target


@pytest.mark.parametrize(
    ("url", "address", "host", "uri"),
    [
        ("http://a", "a:80", "a", ""),
        ("http://a:80/", "a:80", "a", "/"),
        ("HTTPS://a/x?y", "a:443", "a", "/x?y"),
        ("http://a:81?y", "a:81", "a:81", "/?y"),
        ("http://[::1]/x", "[::1]:80", "[::1]", "/x"),
        ("http://[::1]:81", "[::1]:81", "[::1]:81", ""),
        ("http://unix:/run/a.sock:/x", "unix:/run/a.sock", "localhost", "/x"),
        ("http://unix:/run/a.sock", "unix:/run/a.sock", "localhost", ""),
    ],
)
def test_the_parts_of_a_url(url: str, address: str, host: str, uri: str) -> None:
    target = read_target(url)
    assert target is not None
    assert (target.address, target.host, target.uri) == (address, host, uri)


@pytest.mark.parametrize("url", ["a:80", "http://", "ftp://a", ""])
def test_what_is_no_url(url: str) -> None:
    assert read_target(url) is None


def upstreams(text: str) -> list[dict[str, Any]]:
    reading = read("f", text.encode())
    assert reading.errors == []
    return reading.raw["upstreams"]  # type: ignore[no-any-return]


def test_an_upstream_has_its_servers_and_its_method() -> None:
    (found,) = upstreams(
        "upstream u { hash '$arg_a b' consistent; server a weight=2 max_fails=0 fail_timeout=5s"
        " max_conns=3 resolve; server b:81 backup; server unix:/c down; keepalive 8 local;"
        " keepalive_timeout 9s; zone z 64k; } server { location / { proxy_pass http://u; } }"
    )
    assert found == {
        "name": "u",
        "balance": 'hash "$arg_a b" consistent',
        "keepalive": 8,
        "keepalive_timeout": "9s",
        "servers": [
            {
                "address": "a:80",
                "weight": 2,
                "max_fails": 0,
                "fail_timeout": "5s",
                "max_conns": 3,
            },
            {"address": "b:81", "backup": True},
            {"address": "unix:/c", "down": True},
        ],
    }


def test_certificates_are_verified_only_where_nginx_would() -> None:
    found = upstreams(
        "server { location / { proxy_pass https://a.test; }"
        " location /b { proxy_ssl_verify on; proxy_ssl_trusted_certificate ca; proxy_ssl_name n;"
        " proxy_pass https://a.test; } location /c { proxy_pass https://a.test/x; } }"
    )
    assert [each["name"] for each in found] == ["https://a.test:443", "https://a.test:443 2"]
    assert [each["tls_verify"] for each in found] == [False, True]
    assert (found[1]["tls_ca"], found[1]["tls_server_name"]) == ("ca", "n")
    assert found[0]["servers"] == ["wss://a.test:443"]


@pytest.mark.parametrize("text", ["~ a", "@a"])
def test_a_uri_needs_a_path_to_replace(text: str) -> None:
    errors = read(
        "f", f"server {{ location {text} {{ proxy_pass http://u:1/x; }} }}".encode()
    ).errors
    assert "no path is that it could replace" in errors[0].what


def test_a_name_that_a_variable_holds_is_told_once() -> None:
    text = (
        b"server { proxy_ssl_name $host; location /a { proxy_pass https://a; }"
        b" location /b { proxy_pass https://b; } location /c { proxy_pass http://c; } }"
    )
    findings = read("f", text).findings
    told = [each.what for each in findings if each.level is Level.LEFT_OUT]
    assert told == ["proxy_ssl_name $host"]
