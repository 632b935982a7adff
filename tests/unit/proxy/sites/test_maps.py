import pytest
from support.sites import Sites

SITES = Sites(
    """
    map $arg_a $m { default d; red crimson; ~^b(.)$ "b:$1"; ~*^C c; \\~x tilde; '' empty; }
    map $arg_a $host { hostnames; a.test exact; *.a.test below; a.* above; }
    map $arg_v $volatile { volatile; default $arg_v$x; }
    map $cycle $cycle { default "[$cycle]"; }
    geo $arg_ip $net { default far; 10.0.0.0/8 ten; 10.1.0.0/16 near; ::1 six; }
    server {
        listen 80;
        location /m { return 200 $m; }
        location /n { return 200 $net; }
        location /c { return 200 $cycle; }
        location /v { set $x 1; set $first $volatile; set $x 2; return 200 $first$volatile; }
    }
    """.replace("$host", "$host_kind")
)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("red", "crimson"),
        ("RED", "crimson"),
        ("bx", "b:x"),
        ("bxx", "d"),
        ("cyan", "c"),
        ("~x", "tilde"),
        ("", "empty"),
        ("other", "d"),
    ],
)
def test_a_text_is_looked_up(value: str, found: str) -> None:
    assert SITES.text(f"/m?a={value}") == found


@pytest.mark.parametrize(
    ("address", "found"),
    [("10.2.0.1", "ten"), ("10.1.0.1", "near"), ("::1", "six"), ("11.0.0.1", "far"), ("x", "far")],
)
def test_the_smallest_network_counts(address: str, found: str) -> None:
    assert SITES.text(f"/n?ip={address}") == found


def test_a_volatile_map_is_asked_each_time() -> None:
    assert SITES.text("/v?v=a") == "a1a2"


def test_a_map_that_asks_for_itself_comes_to_an_end() -> None:
    assert SITES.text("/c") == "[]"
