import pytest

from fastws.config.template import Part, read_template


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("$uri", [Part(name="uri")]),
        ("${uri}", [Part(name="uri")]),
        ("$Remote_Addr", [Part(name="remote_addr")]),
        ("abc", [Part(text="abc")]),
        ("", []),
        ("$remote_addr$uri", [Part(name="remote_addr"), Part(name="uri")]),
        (
            "a${uri}b-$arg_x.",
            [Part(text="a"), Part("uri"), Part("", "b-"), Part("arg_x"), Part("", ".")],
        ),
        ("$http_x_real_ip", [Part("http_x_real_ip")]),
        ("$cookie_Sid", [Part("cookie_sid")]),
    ],
)
def test_a_template_has_parts(text: str, parts: list[Part]) -> None:
    assert read_template(text) == tuple(parts)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("$nosuch", "unknown variable $nosuch"),
        ("$request_url", 'unknown variable $request_url; did you mean "$request_uri"?'),
        ("a${remote_adr}b", 'unknown variable $remote_adr; did you mean "$remote_addr"?'),
        ("$arg_", "unknown variable $arg_"),
        ("a$", 'expected a variable\'s name behind every $, got "a$"'),
        ("$$uri", 'expected a variable\'s name behind every $, got "$$uri"'),
        ("${uri", 'expected a variable\'s name behind every $, got "${uri"'),
        ("$-", 'expected a variable\'s name behind every $, got "$-"'),
    ],
)
def test_a_wrong_variable_is_named(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match="variable") as caught:
        read_template(text)
    assert str(caught.value).startswith(fault)
