import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.config.template import Part, Template, read_template, write_template


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
        ("$10", [Part("1"), Part("", "0")]),  # nginx has nine groups
        ("$1a${2}", [Part("1"), Part("", "a"), Part("2")]),
    ],
)
def test_a_template_has_parts(text: str, parts: list[Part]) -> None:
    assert read_template(text) == tuple(parts)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
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


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="$"), min_size=1, max_size=4)
NAMES = st.sampled_from(["uri", "arg_a", "1", "9", "request_uri"])
# No two texts in a row: nobody could tell where one of them ends.
TEMPLATES = st.lists(
    NAMES.map(lambda name: [Part(name=name)])
    | st.tuples(TEXTS, NAMES).map(lambda pair: [Part(text=pair[0]), Part(name=pair[1])]),
    max_size=5,
).map(lambda parts: tuple(part for some in parts for part in some))


@given(TEMPLATES)
def test_what_is_written_reads_back(template: Template) -> None:
    assert read_template(write_template(template)) == template
