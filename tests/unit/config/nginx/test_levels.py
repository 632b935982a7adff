from typing import Any

import pytest

from fastws.config.nginx.check import read


def action(inside: str, outside: str = "") -> dict[str, Any]:
    text = f"{outside} server {{ location / {{ {inside} proxy_pass http://u:1; }} }}"
    reading = read("f", text.encode())
    assert reading.errors == []
    return reading.raw["sites"][0]["locations"][0]["action"]  # type: ignore[no-any-return]


def names(headers: list[dict[str, Any]]) -> list[str]:
    return [f"{each['name']}={each['value']}" for each in headers]


def test_headers_are_inherited_only_where_a_level_has_none() -> None:
    outside = "proxy_set_header A a; proxy_set_header Host h;"
    assert names(action("", outside)["set_headers"]) == ["Host=h", "A=a"]
    own = action("proxy_set_header B b;", outside)["set_headers"]
    assert names(own) == ["Host=$proxy_host", "B=b"]


def test_added_headers_may_be_merged() -> None:
    outside = "add_header A a;"
    assert names(action("add_header B b always;", outside)["add_headers"]) == ["B=b"]
    merged = action("add_header B b; add_header_inherit merge;", outside)["add_headers"]
    assert names(merged) == ["A=a", "B=b"]


def test_allow_and_deny_are_inherited_as_one() -> None:
    assert action("allow all;", "deny all;")["access"] == ["allow all"]
    assert action("", "allow 10.0.0.0/8; deny all;")["access"] == ["allow 10.0.0.0/8", "deny all"]


@pytest.mark.parametrize(
    ("inside", "redirects"),
    [
        ("", [("http://u:1/", "/")]),
        ("proxy_redirect off;", []),
        ("proxy_redirect default; proxy_redirect a b;", [("http://u:1/", "/"), ("a", "b")]),
    ],
)
def test_redirects(inside: str, redirects: list[tuple[str, str]]) -> None:
    found = action(inside)["redirects"]
    assert [(each["find"], each["replace"]) for each in found] == redirects


def test_error_pages() -> None:
    pages = action("error_page 404 500 =200 /x; error_page 502 = @a; error_page 503 /y;")
    found = [(each["statuses"], each["to"], each.get("status")) for each in pages["error_pages"]]
    assert found == [([404, 500], "/x", 200), ([502], "@a", 0), ([503], "/y", None)]


def test_times_are_nginx_s() -> None:
    times = action("proxy_read_timeout 1d;")["timeouts"]
    assert (times["idle"], times["answer"], times["connect"], times["ping"]) == (
        "1d",
        "1d",
        "60s",
        0,
    )


@pytest.mark.parametrize(
    ("text", "next_upstream"),
    [
        ("", {}),
        ("proxy_next_upstream off;", {"on": []}),
        ("proxy_next_upstream error http_502;", {"on": ["error", "http_502"]}),
        (
            "proxy_next_upstream_tries 2; proxy_next_upstream_timeout 5s;",
            {"tries": 2, "timeout": "5s"},
        ),
    ],
)
def test_when_the_next_server_is_asked(text: str, next_upstream: dict[str, Any]) -> None:
    assert action(text)["next_upstream"] == next_upstream
