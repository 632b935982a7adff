from typing import Any

import pytest

from fastws.config.nginx.check import read


def maps(text: str) -> list[dict[str, Any]]:
    return read("f", text.encode()).raw["maps"]  # type: ignore[no-any-return]


def test_a_map() -> None:
    (found,) = maps("map $a $B { hostnames; volatile; default d; .a.test x; \\default y; ~z z; }")
    assert found == {
        "variable": "b",
        "source": "$a",
        "compare": "hosts",
        "volatile": True,
        "default": "d",
        "cases": [
            {"key": "a.test", "value": "x"},
            {"key": "*.a.test", "value": "x"},
            {"key": "\\default", "value": "y"},
            {"key": "~z", "value": "z"},
        ],
    }


def test_of_two_maps_of_a_variable_the_last_counts() -> None:
    assert [each["source"] for each in maps("map $a $c { } map $b $c { }")] == ["$b"]


def test_a_geo() -> None:
    (found,) = maps("geo $b { default 0; 10.1.2.3/8 1; 127.0.0.1 2; }")
    assert found["source"] == "$remote_addr"
    assert [each["key"] for each in found["cases"]] == ["10.0.0.0/8", "127.0.0.1/32"]


def test_a_geo_of_ranges() -> None:
    (found,) = maps("geo $b { ranges; 10.0.0.0-10.0.1.0 1; 10.0.0.7-10.0.0.7 2; x-y 3; }")
    assert [(each["key"], each["value"]) for each in found["cases"]] == [
        ("10.0.0.0/24", "1"),
        ("10.0.1.0/32", "1"),
        ("10.0.0.7/32", "2"),
        ("x-y", "3"),
    ]


def test_of_two_equal_networks_the_last_counts_unless_it_is_deleted() -> None:
    (found,) = maps("geo $b { 10.0.0.0/8 1; 10.1.0.0/16 2; 10.0.0.0/8 3; delete 10.1.0.0/16; }")
    assert found["cases"] == [{"key": "10.0.0.0/8", "value": "3"}]


@pytest.mark.parametrize("line", ["proxy 10.0.0.1;", "proxy_recursive;"])
def test_a_geo_that_looks_behind_proxies_is_refused(line: str) -> None:
    (error,) = read("f", f"geo $b {{ {line} }}".encode()).errors
    assert error.what.startswith("fastws looks no address up behind a proxy")
    assert "set_real_ip_from" in error.write


def test_clients_are_split() -> None:
    (found,) = maps("split_clients $a$b $c { 0.5% x; 20% y; * z; }")
    assert found == {
        "variable": "c",
        "source": "$a$b",
        "compare": "shares",
        "cases": [{"key": "0.5%", "value": "x"}, {"key": "20%", "value": "y"}],
        "default": "z",
    }
