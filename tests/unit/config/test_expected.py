from __future__ import annotations

import pytest

from fastws.config.expected import expected, show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", '"a b"'),
        ('say "no"', "'say \"no\"'"),
        ("two\nlines", r"'two\nlines'"),
        (True, "true"),
        (1.5, "1.5"),
        (["a"], "['a']"),
        ([10**5000], "a huge number"),
    ],
)
def test_values_are_quoted_on_one_line(value: object, text: str) -> None:
    assert show(value) == text


def test_long_values_are_cut() -> None:
    assert show("x" * 58) == f'"{"x" * 58}"'
    assert show("x" * 59) == f'"{"x" * 56}...'


def test_an_error_says_what_was_expected_and_what_came() -> None:
    error = expected("a number", "ten")
    assert isinstance(error, ValueError)
    assert str(error) == 'expected a number, got "ten"'
