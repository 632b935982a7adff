import pytest

from fastws.config.nginx.entries import judge
from fastws.config.nginx.findings import Findings
from fastws.config.nginx.parser import parse


def faults(text: str) -> list[tuple[int, str, str]]:
    findings = Findings()
    (block,) = parse("f", text.encode(), findings)
    judge(block, findings)
    return [(each.place.line, each.what, each.write) for each in findings.all]


@pytest.mark.parametrize(
    "text",
    [
        "map $a $b { default x; '' y; ~^a x; ~^a x; hostnames; volatile; }",
        "geo $a { default 0; 10.0.0.0/8 1; ranges; }",
        "split_clients $a $b { 10% x; * y; }",
    ],
)
def test_keys_with_values_are_right(text: str) -> None:
    assert faults(text) == []


def test_a_line_without_a_value() -> None:
    what = 'a line of a map has a key and a value, this one has only "close"'
    stray = (3, what, "(nothing: the line is stray)")
    assert faults("map $a $b {\n '' close;\nclose; }") == [stray]
    assert faults("map $a $b {\n close; }") == [(2, what, "close VALUE;")]


def test_a_line_with_too_many_values() -> None:
    (fault,) = faults("geo $a { 10.0.0.0/8 1 2; }")
    assert fault[1] == "a line of a geo has a key and one value, this one has 2"


@pytest.mark.parametrize("keys", [("default", "default"), ("''", '""'), ("A", "a"), ("\\a", "a")])
def test_a_key_that_comes_twice(keys: tuple[str, str]) -> None:
    first, second = keys
    (fault,) = faults(f"map $a $b {{\n {first} x;\n {second} y;\n}}")
    assert fault[0] == 3
    assert "twice, first in line 2" in fault[1]


def test_a_block_inside() -> None:
    assert 'unexpected "{"' in faults("map $a $b { a { b c; } }")[0][1]
