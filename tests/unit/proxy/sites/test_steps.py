from pathlib import Path

import pytest
from support.sites import server


@pytest.mark.parametrize(
    ("steps", "target", "seen"),
    [
        ("rewrite ^/a/(.*)$ /b/$1 break;", "/a/x?q=1", b"/b/x?q=1"),
        ("rewrite ^/a/(.*)$ /b?p=$1 break;", "/a/x?q=1", b"/b?p=x&q=1"),
        ("rewrite ^/a/(.*)$ /b?p=$1? break;", "/a/x?q=1", b"/b?p=x"),
        ("rewrite ^/a/(.*)$ /b/$1? break;", "/a/x?q=1", b"/b/x"),
        ("rewrite ^/a/(.*)$ /b?p=$1 break;", "/a/x%26y", b"/b?p=x%26y"),
        ("rewrite ^/a/(?<n>.*)$ /b/$n break;", "/a/x%20y", b"/b/x%20y"),
        ("rewrite ^/nope /b break;", "/a/x", None),
        ("set $args z; ", "/a/x?q=1", b"/a/x?z"),
        ("set $a /y; rewrite ^/a /b$a; rewrite ^/b(.*) /c$1 break;", "/a/x", b"/c/y"),
    ],
)
def test_a_target_is_rewritten(steps: str, target: str, seen: bytes | None) -> None:
    site = server(f"location / {{ {steps} proxy_pass http://u; }}")
    assert site.forward(target).target == seen


@pytest.mark.parametrize(
    ("step", "location"),
    [
        ("rewrite ^/a/(.*)$ /b/$1 permanent;", b"http://a.test/b/x?q=1"),
        ("rewrite ^/a/(.*)$ /b/$1? permanent;", b"http://a.test/b/x"),
        ("rewrite ^/a/(.*)$ /b?p=$1 redirect;", b"http://a.test/b?p=x&q=1"),
        ("rewrite ^/a/(.*)$ https://e.test/$1;", b"https://e.test/x?q=1"),
        ("return 301 /b$args;", b"http://a.test/bq=1"),
    ],
)
def test_a_client_is_sent_elsewhere(step: str, location: bytes) -> None:
    assert dict(server(step).reply("/a/x?q=1").headers)[b"Location"] == location


@pytest.mark.parametrize(
    ("condition", "target", "holds"),
    [
        ("$arg_a", "/?a=1", True),
        ("$arg_a", "/?a=0", False),
        ("$arg_a", "/?a=00", True),
        ("$arg_a", "/", False),
        ("$arg_a = x", "/?a=x", True),
        ("$arg_a != x", "/?a=x", False),
        ("$arg_a ~ ^X", "/?a=x", False),
        ("$arg_a ~* ^X", "/?a=x", True),
        ("$arg_a !~ ^x", "/?a=x", False),
        ("$arg_a !~* ^Y", "/?a=x", True),
    ],
)
def test_a_condition(condition: str, target: str, holds: bool) -> None:  # noqa: FBT001
    site = server(f"if ({condition}) {{ return 200 yes; }} return 200 no;")
    assert site.text(target) == ("yes" if holds else "no")


def test_files_are_looked_at_for_every_request(tmp_path: Path) -> None:
    sign = tmp_path / "maintenance"
    site = server(f"if (-f {sign}) {{ return 503; }} return 204;")
    assert site.refusal() == 204
    sign.touch()
    assert site.refusal() == 503
    sign.unlink()
    assert site.refusal() == 204


def test_what_a_path_leads_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o600)
    (tmp_path / "tool").touch(0o700)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "broken").symlink_to("nothing")
    for name, holding in {
        "file": "fe",
        "tool": "fex",
        "folder": "dex",
        "link": "fe",
        "broken": "",
        "none": "",
    }.items():
        for kind in "fdex":
            found = server(f"if (-{kind} {tmp_path}/$arg_a) {{ return 200 yes; }} return 200 no;")
            assert found.text(f"/?a={name}") == ("yes" if kind in holding else "no"), (kind, name)
            other = server(f"if (!-{kind} {tmp_path}/$arg_a) {{ return 200 yes; }} return 200 no;")
            assert other.text(f"/?a={name}") == ("no" if kind in holding else "yes")


def test_a_path_that_no_file_has() -> None:
    site = server("if (-e $uri) { return 200 yes; } return 200 no;")
    assert site.text("/" + 5000 * "x") == "no"


def test_a_pattern_that_does_not_match_takes_the_groups_away() -> None:
    site = server('location ~ (.)$ { if ($arg_a ~ "^(.)$") { break; } return 200 "[$1]"; }')
    assert site.text("/x?a=12") == "[]"


def test_a_path_that_is_rewritten_to_nothing_is_an_error() -> None:
    assert server("location / { rewrite ^ $arg_none break; proxy_pass http://u; }").refusal() == 500


def test_an_endless_rewrite_ends() -> None:
    assert server("location / { rewrite ^ /x$uri last; }").refusal() == 500


def test_no_header_comes_of_an_escaped_line_end() -> None:
    location = dict(server("return 301 /x$uri;").reply("/%0d%0aSet-Cookie:a=1").headers)
    assert location[b"Location"] == b"http://a.test/x/%0D%0ASet-Cookie:a=1"
