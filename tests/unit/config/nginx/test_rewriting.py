from typing import Any

import pytest

from fastws.config.nginx.check import read


def steps(text: str) -> list[dict[str, Any]]:
    reading = read("f", f"server {{ location / {{ {text} }} }}".encode())
    assert reading.errors == []
    return reading.raw["sites"][0]["locations"][0]["steps"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("set $a b;", {"do": "set", "name": "a", "value": "b"}),
        ("break;", {"do": "break"}),
        ("return 204;", {"do": "return", "status": 204, "value": ""}),
        ("return 200 a;", {"do": "return", "status": 200, "value": "a"}),
        ("return https://a;", {"do": "return", "status": 302, "value": "https://a"}),
        ("rewrite a b;", {"do": "rewrite", "pattern": "a", "value": "b"}),
        ("rewrite a b last;", {"do": "rewrite", "pattern": "a", "value": "b", "then": "last"}),
        (
            "rewrite a http://b;",
            {"do": "rewrite", "pattern": "a", "value": "http://b", "then": "redirect"},
        ),
        (
            "rewrite a http://b permanent;",
            {"do": "rewrite", "pattern": "a", "value": "http://b", "then": "permanent"},
        ),
    ],
)
def test_a_step(text: str, step: dict[str, Any]) -> None:
    assert steps(text) == [step]


@pytest.mark.parametrize(
    ("condition", "test"),
    [
        ("($a)", {"value": "$a"}),
        ("( $a )", {"value": "$a"}),
        ('($a = "")', {"value": "$a", "test": "=", "operand": ""}),
        ("($a != b)", {"value": "$a", "test": "!=", "operand": "b"}),
        ("($a ~* ^(x)$)", {"value": "$a", "test": "~*", "pattern": "^(x)$"}),
        ("(-f /run/x)", {"value": "/run/x", "test": "-f"}),
        ("( !-d $a/x )", {"value": "$a/x", "test": "!-d"}),
        ('($a !~ "x y")', {"value": "$a", "test": "!~", "pattern": "x y"}),
    ],
)
def test_a_condition(condition: str, test: dict[str, Any]) -> None:
    assert steps(f"if {condition} {{ }}") == [{"do": "if", "steps": [], **test}]


def test_a_file_may_be_below_the_root() -> None:
    (step,) = steps("root /srv; if (-f $document_root/x${document_root}) { }")
    assert step["value"] == "/srv/x/srv"


def test_an_if_with_directives_of_its_own_has_an_action() -> None:
    (step,) = steps("proxy_pass http://u:1; if ($arg_a) { add_header A b; break; }")
    assert [each["name"] for each in step["action"]["add_headers"]] == ["A"]
    assert step["action"]["forward"]["upstream"] == "u:1"
    assert step["steps"] == [{"do": "break"}]


@pytest.mark.parametrize(
    "text", ["if (-g $a) { }", "if (-f) { }", "if (a) { }", "if $a { }", "return abc;"]
)
def test_what_cannot_be_done_is_an_error(text: str) -> None:
    assert read("f", f"server {{ location / {{ {text} }} }}".encode()).errors
