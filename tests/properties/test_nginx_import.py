"""Whatever stands in an nginx.conf: a configuration comes of it, or errors in words.

And a configuration that is shown reads back as the same.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.incoming import Incoming

from fastws.config.build import build
from fastws.config.check_sites import check_sites
from fastws.config.faults import Faults
from fastws.config.nginx.check import read
from fastws.config.show import show
from fastws.errors import InvalidConfigError, Reject
from fastws.proxy.decision import Forward, Reply
from fastws.proxy.settings import Settings

if TYPE_CHECKING:
    from fastws.config.model import Config

CORPUS = Path(__file__).parents[1] / "unit" / "config" / "nginx" / "corpus"
GUARDS = ("auth_basic", "auth_request", "limit_rate", "limit_req", "satisfy")

WORDS = st.sampled_from(
    [
        "/", "/a", "/a/", "@a", "~*", "^~", "=/x", "~^/(?<n>.)$", "~(", "http://a",
        "http://a/b/", "https://b:1", "http://$host", "$uri", "$1", "${args}x", "$http_upgrade",
        "off", "on", "default", "last", "break", "redirect", "permanent", "301", "404", "=200",
        "80", "[::]:80", "127.0.0.1:81", "unix:/s", "ssl", "default_server", "1m", "60s",
        "10.0.0.0/8", "all", "GET", "Host", "Connection", "upgrade", '""', "''", "($a)",
        ".a.test", "*.a.test", "a.*", "~^(?<u>.*)$", "_", "max", "weight=2", "backup", "down",
        "resolve", "a:1", "b", "https://c", "999", "$", "${", "é", "?", "/x?y=1?",
        "~^http://(.*)$", "hostnames", "volatile", '"a b"', '($a = "x")', "($a ~ ^.$)",
        "($a !~* b)", "(-f $a)", "=", "~",
    ]
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "listen", "server_name", "proxy_pass", "proxy_set_header", "add_header",
        "proxy_hide_header", "proxy_redirect", "rewrite", "return", "set", "break", "allow",
        "deny", "error_page", "try_files", "internal", "proxy_read_timeout",
        "client_max_body_size", "proxy_cookie_path", "proxy_pass_header", "set_real_ip_from",
        "real_ip_header", "ssl_certificate", "ssl_protocols", "ssl_ciphers", "keepalive_timeout",
        "send_timeout", "proxy_ssl_verify", "proxy_intercept_errors", "hash", "server",
        "least_conn", "sticky", "keepalive", "default_type", "add_header_inherit",
        "worker_processes", "max_headers",
    ]
)  # fmt: skip
LINES = st.builds(
    lambda name, words: f"{name} {' '.join(words)};",
    NAMES,
    st.lists(WORDS, max_size=4),
)


def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    heads = st.sampled_from(
        ["server", "location /", "location ~ ^/(.*)$", "location = /a", "location @a", "if ($a)",
         "if ($uri ~ (.))", "limit_except GET", "upstream a", "map $uri $a", "geo $b"]
    )  # fmt: skip
    return st.builds(
        lambda head, lines: f"{head} {{ {' '.join(lines)} }}", heads, st.lists(inner, max_size=5)
    )


# Lines that are right, where they may stand: of chance alone hardly a whole file is.
RIGHT = st.sampled_from(
    [
        "proxy_pass http://127.0.0.1:1;", "proxy_pass http://$host:81$uri;", "return 204;",
        "proxy_pass http://u/x?y;", "rewrite ^/(.*)$ /a/$1?b=$arg_a last;", "set $a $1$uri;",
        "rewrite (?<n>.) /$n break;", "rewrite ^ /x redirect;", "return 301 $scheme://$host$uri;",
        "if ($uri ~ (.)$) { set $a $1; rewrite ^ /q$1 last; }", "if ($a) { return 403; }",
        "location / { proxy_pass http://u; }", "location = /a { return 200 $a; }",
        "location ~ ^/(?<m>.*) { proxy_pass http://u/$m; }",
        "location /a/ { try_files $uri @n; }", "error_page 404 403 = /b?$args;", "deny all;",
        "add_header X-A $a$m always;", "proxy_set_header X-B $uri;", "break;", "set $args $a;",
        "location /b { internal; try_files x /a?$uri; }", "error_page 404 =301 $a;",
        "location ^~ /a { limit_except GET { deny all; } proxy_pass http://u/; }",
    ]
)  # fmt: skip
NEEDED = """
map $uri $m { ~(.) $1; } upstream u { server 127.0.0.1:1; }
server { listen 80; set $a b; set $n b; location @n { return 200; }
"""
GOOD = st.lists(RIGHT, min_size=1, max_size=8).map(
    lambda lines: f"{NEEDED} {' '.join(dict.fromkeys(lines))} }}"
)
FILES = GOOD | st.lists(st.recursive(LINES, blocks, max_leaves=12), max_size=5).map("\n".join)


def imported(text: str) -> Config | None:
    """The configuration that a file comes to, unless it has errors."""
    reading = read("/nonexistent/nginx.conf", text.encode("utf-8", "surrogateescape"))
    assert all(each.what for each in reading.findings)
    if reading.errors:
        return None
    try:
        return build(reading.raw, "f")
    except InvalidConfigError:
        return None


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(FILES)
@example("server { location / { if () { } proxy_pass http:// ; } }")
@example('server { location "" { } listen 1-99999; listen :; }')
@example("upstream { server a:1; } server { location { } if { } limit_except { } } map { }")
@example("server { set a b; rewrite ( /x; return x; error_page 404; }")
@example("upstream a { server a:99999 weight=x max_fails=-1 fail_timeout=; hash; sticky cookie; }")
def test_a_file_gives_a_configuration_or_errors(text: str) -> None:
    config = imported(text)
    if config is not None:
        assert build(tomllib.loads(show(config, {})), "f") == config
        if config.sites and sound(config):
            decide(config)


def sound(config: Config) -> bool:
    """Whether nothing is wrong with sites."""
    faults = Faults("f", {})
    check_sites(config, faults)
    try:
        faults.settle()
    except InvalidConfigError:
        return False
    return True


def decide(config: Config) -> None:
    """Let a few requests through: each is answered, passed on, or refused."""
    routes = Settings(config).routes
    for host, target in product(
        ("a.test", "x.a.test", "other.test"), ("/", "/a", "/a/b?a=1", "/x%20y")
    ):
        for method in ("GET", "POST"):
            incoming = Incoming(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nA: b\r\n\r\n")
            with suppress(Reject):
                decision = routes.decide(incoming)
                assert isinstance(decision, Forward | Reply)
                if isinstance(decision, Forward):
                    assert decision.edits is not None
                    assert b"\r\n\r\n" not in decision.edits.lines
                    assert not re.search(rb"[\x00-\x20]", decision.target or b"/")


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.conf")), ids=lambda path: path.name)
def test_what_is_shown_reads_back(path: Path) -> None:
    if path.name == "second.conf":
        pytest.skip("is broken on purpose")
    reading = read(str(path), path.read_bytes(), GUARDS)
    assert reading.errors == []
    config = build(reading.raw, "f")
    shown = show(config, reading.places)
    assert build(tomllib.loads(shown), "f") == config
    assert f"  # {path}:" in shown
