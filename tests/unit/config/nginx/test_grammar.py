import pytest

from fastws.config.nginx.check import read
from fastws.config.nginx.directives import CONTEXTS, Fate, find, rules
from fastws.config.nginx.findings import Findings, Level
from fastws.config.nginx.grammar import judge, outermost
from fastws.config.nginx.parser import Directive, parse


def judged(text: str, context: str = "h") -> tuple[tuple[Directive, ...], list[str]]:
    """Return the tree and the errors, each with its line."""
    findings = Findings()
    tree = judge(parse("f", text.encode(), findings), context, findings)
    errors = [each for each in findings.all if each.level is Level.ERROR]
    return tree, [f"{each.place.line}: {each.what}" for each in errors]


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("events {} http {}", "m"),
        ("user a; worker_processes 1;", "m"),
        ("", "m"),
        ("map $a $b {} server {}", "h"),
        ("upstream a { server b; }", "h"),
        ("proxy_set_header a b; proxy_read_timeout 1s;", "h"),
        ("listen 80; location / {}", "s"),
        ("location / {}", "s"),
        ("proxy_pass http://a; internal;", "l"),
    ],
)
def test_a_file_is_taken_for_the_level_that_it_begins_at(text: str, context: str) -> None:
    assert outermost(parse("f", text.encode(), Findings())) == context


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("server {\n lsten 80; }", '2: unknown directive "lsten"; did you mean "listen"?'),
        ("\nzzzzzz;", '2: unknown directive "zzzzzz"'),
        ("listen 80;", '1: "listen" cannot stand in http'),
        ("server { events {} }", '1: "events" cannot stand in server'),
        ("server { if ($a) { proxy_pass b; } }", '1: "proxy_pass" cannot stand in if in a server'),
        ("server;", '1: "server" has no block: a "{" is missing'),
        ("sendfile {}", '1: "sendfile" has no block: end it with ";"'),
        ("sendfile;", '1: "sendfile" takes 1 argument, not 0'),
        ("server { return 1 2 3; }", '1: "return" takes 1 to 2 arguments, not 3'),
        ("log_format a;", '1: "log_format" takes 2 arguments or more, not 1'),
        ("sendfile of;", '1: "sendfile" is on or off, not "of"'),
        ("sendfile on;\nsendfile on;", '2: "sendfile" is there twice, first in line 1'),
        ("upstream a { 10.0.0.1:80; }", '1: the keyword "server" is missing before "10.0.0.1:80"'),
        ("upstream a { app:80 backup; }", '1: the keyword "server" is missing before "app:80"'),
        ("upstream a { serve b; }", '1: unknown directive "serve"; did you mean "server"?'),
        ("types { a b; } x_y_z;", '1: unknown directive "x_y_z"'),
    ],
)
def test_a_wrong_directive_is_named_with_its_line(text: str, error: str) -> None:
    (first, *others) = judged(text)[1]
    assert first.startswith(error)
    assert not others


def test_a_block_without_its_arguments_is_judged_inside_and_left_out() -> None:
    tree, errors = judged("upstream {\n serve a:1;\n}")
    assert errors[0].startswith('1: "upstream" takes 1 argument, not 0')
    assert errors[1].startswith('2: unknown directive "serve"')
    assert tree == ()


def test_right_directives_are_left_as_they_are() -> None:
    text = "server { listen 80; location / { if ($a = b) { return 204; } proxy_pass http://a; } }"
    tree, errors = judged(text)
    assert errors == []
    assert tree == parse("f", text.encode(), Findings())


def test_an_ellipsis_is_named_and_what_follows_is_judged() -> None:
    tree, errors = judged("server {\n ...\n location / {\n prox_pass http://a;\n }\n}")
    assert errors[0].startswith('2: "..." is not a directive')
    assert errors[1].startswith('4: unknown directive "prox_pass"')
    (server,) = tree
    (location,) = server.block or ()
    assert (location.name.text, location.values) == ("location", ("/",))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("gzip on\ngzip on\nsendfile on;", [1, 2]),
        ("server {\n listen 80\n server_name a;\n}", []),  # nginx takes them for arguments too
        ("server {\n root /a\n location / {\n }\n}", [2]),
    ],
)
def test_a_missing_semicolon_is_named_with_its_line(text: str, lines: list[int]) -> None:
    errors = [error for error in judged(text)[1] if '";" is missing' in error]
    assert [int(error.partition(":")[0]) for error in errors] == lines


def test_a_pattern_that_needs_quotes() -> None:
    findings = Findings()
    text = "location ~ ^/[a-z]{2}/ { return 204; }"
    judge(parse("f", text.encode(), findings), "s", findings)
    assert any("put in quotes" in each.why for each in findings.all)
    assert judged('location ~ "^/[a-z]{2}/" { return 204; }', "s")[1] == []


def test_a_directive_over_many_lines_is_right() -> None:
    assert judged("log_format main '$a'\n  '$b'\n '$c';")[1] == []


def test_what_is_not_used_is_never_passed_over_in_silence() -> None:
    findings = Findings()
    text = "gzip on; sendfile on; server { auth_basic a; location / { root /a; } } types { a b; }"
    judge(parse("f", text.encode(), findings), "h", findings)
    assert [(each.level, each.what) for each in findings.all] == [
        (Level.LEFT_OUT, "gzip"),
        (Level.NOTE, "sendfile is passed over"),
        (Level.ERROR, "fastws does not enforce auth_basic yet"),
        (Level.LEFT_OUT, "root"),
        (Level.LEFT_OUT, "types"),
    ]
    assert all(each.why for each in findings.all)


def test_the_table_is_sound() -> None:
    assert len(rules()) > 600
    for name, ways in rules().items():
        for rule in ways:
            assert rule.name == name
            assert set(rule.contexts) <= set(CONTEXTS)
            assert rule.most is None or rule.least <= rule.most
            assert rule.fate is Fate.USED or rule.reason


@pytest.mark.parametrize(
    ("name", "fate"),
    [
        ("more_set_headers", Fate.LEFT_OUT),
        ("access_by_lua_file", Fate.GUARD),
        ("brotli", Fate.LEFT_OUT),
        ("auth_jwt", Fate.GUARD),
    ],
)
def test_well_known_modules_are_no_misspellings(name: str, fate: Fate) -> None:
    assert {rule.fate for rule in find(name)} == {fate}


@pytest.mark.parametrize(
    ("directive", "level"),
    [
        ("underscores_in_headers on;", Level.LEFT_OUT),
        ("underscores_in_headers off;", Level.NOTE),
        ("ignore_invalid_headers off;", Level.LEFT_OUT),
        ("merge_slashes off;", Level.LEFT_OUT),
        ("merge_slashes on;", Level.NOTE),
        ("keepalive_requests 10;", Level.NOTE),
        ("proxy_send_timeout 10s;", Level.NOTE),
        ("proxy_ignore_headers X-Accel-Redirect;", Level.NOTE),
    ],
)
def test_what_is_passed_over_is_told_by_what_it_says(directive: str, level: Level) -> None:
    findings = read("f", f"server {{ return 204; {directive} }}".encode()).findings
    assert [each.level for each in findings] == [level]
