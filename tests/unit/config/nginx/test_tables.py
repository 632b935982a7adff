from typing import Any

from fastws.config.nginx.check import read
from fastws.config.nginx.findings import Level


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


def test_what_a_geo_cannot_do_is_told() -> None:
    findings = read("f", b"geo $b { ranges; proxy 10.0.0.1; }").findings
    left_out = [each.what for each in findings if each.level is Level.LEFT_OUT]
    assert left_out == ["ranges in a geo", "proxy in a geo"]


def test_clients_are_split() -> None:
    (found,) = maps("split_clients $a$b $c { 0.5% x; 20% y; * z; }")
    assert found == {
        "variable": "c",
        "source": "$a$b",
        "compare": "shares",
        "cases": [{"key": "0.5%", "value": "x"}, {"key": "20%", "value": "y"}],
        "default": "z",
    }
