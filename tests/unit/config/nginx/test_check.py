from pathlib import Path

import pytest

from fastws.config.nginx.check import read
from fastws.config.nginx.findings import Finding, Level

CORPUS = Path(__file__).parent / "corpus"


# What keeps somebody out in nginx, and is left out when it is told so.
GUARDS = ("auth_basic", "auth_request", "limit_rate", "limit_req", "satisfy")


def found(name: str, ignored: tuple[str, ...] = GUARDS) -> tuple[Finding, ...]:
    path = CORPUS / name
    return read(str(path), path.read_bytes(), ignored).findings


def test_the_first_of_the_two_has_no_errors() -> None:
    assert {each.level for each in found("first.conf")} <= {Level.WARNING}


def test_each_mistake_of_the_second_is_named_with_its_line() -> None:
    named = [(each.place.line, each.what) for each in found("second.conf")]
    for line, what in (
        (2, 'the keyword "server" is missing before "10.0.3.1:3000"'),
        (3, 'the keyword "server" is missing before "10.0.3.2:300"'),
        (3, "port 300 looks like a slip"),
        (9, "a line of a map"),
        (12, '"..." is not a directive'),
        (14, 'there is no upstream "upstream"; did you mean "backend"?'),
    ):
        assert any(each[0] == line and each[1].startswith(what) for each in named)


@pytest.mark.parametrize(
    "name", [path.name for path in CORPUS.glob("*.conf") if path.name != "second.conf"]
)
def test_what_projects_publish_has_no_errors(name: str) -> None:
    assert [str(each) for each in found(name) if each.level is Level.ERROR] == []


def test_a_guard_is_an_error_unless_it_is_ignored() -> None:
    errors = [each.what for each in found("videos.conf", ()) if each.level is Level.ERROR]
    assert errors == [
        "fastws does not enforce limit_req yet",
        "fastws does not enforce limit_rate yet",
    ]
    errors = [
        each.what for each in found("videos.conf", ("limit_req",)) if each.level is Level.ERROR
    ]
    assert errors == ["fastws does not enforce limit_rate yet"]


@pytest.mark.parametrize("name", ["agents.conf", "second.conf", "cameras.conf"])
def test_the_worst_comes_first(name: str) -> None:
    levels = [list(Level).index(each.level) for each in found(name)]
    assert levels == sorted(levels)
    assert levels
