from typing import Any

import pytest

from fastws.config.nginx.check import read
from fastws.config.nginx.findings import Level


def raw(text: str) -> dict[str, Any]:
    reading = read("f", text.encode())
    assert reading.errors == []
    return reading.raw


def site(inside: str) -> dict[str, Any]:
    return raw(f"server {{ {inside} }}")["sites"][0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "text",
    [
        "events {} http { server { listen 81; return 204; } }",
        "server { listen 81; return 204; }",
        "listen 81; location / { return 204; } server_name a;",
    ],
)
def test_a_file_may_begin_at_any_level(text: str) -> None:
    found = raw(text)
    assert found["listeners"] == [{"address": "0.0.0.0:81"}]
    assert len(found["sites"]) == 1


@pytest.mark.parametrize(
    ("written", "match", "path"),
    [
        ("/a", "prefix", "/a"),
        ("= /a", "exact", "/a"),
        ("=/a", "exact", "/a"),
        ("^~ /a", "prefix_first", "/a"),
        ("~ a$", "regex", "a$"),
        ("~*a$", "regex_nocase", "a$"),
        ("@a", "named", "@a"),
    ],
)
def test_how_a_location_matches(written: str, match: str, path: str) -> None:
    location = site(f"location {written} {{ }}")["locations"][0]
    assert (location["match"], location["path"]) == (match, path)


def test_workers_are_kept_on_cores() -> None:
    assert raw("worker_cpu_affinity auto; events { } http { server { } }")["pin_workers"] is True
    reading = read("f", b"worker_cpu_affinity 01 10; events { } http { server { } }")
    assert "pin_workers" not in reading.raw
    assert [each.level for each in reading.findings] == [Level.LEFT_OUT]


def test_a_name_with_a_dot_before_it_is_two() -> None:
    found = site("server_name .a.test b.test;")
    assert found["hosts"] == ["a.test", "*.a.test", "b.test"]
    assert found["name"] == "a.test"


def test_methods_that_are_excepted() -> None:
    location = site("location / { limit_except GET POST { deny all; } }")["locations"][0]
    assert location["other_methods"]["methods"] == ["GET", "POST", "HEAD"]
    assert location["other_methods"]["action"]["access"] == ["deny all"]
    assert location["action"]["access"] == []


def test_what_is_for_the_process() -> None:
    found = raw(
        "worker_processes auto; worker_shutdown_timeout 9s; events {} http { keepalive_timeout 5s;"
        "large_client_header_buffers 4 16k; client_header_timeout 7s; server { } }"
    )
    assert found["workers"] == "auto"
    assert found["drain"] == {"timeout": "9s"}
    assert found["timeouts"] == {"keepalive": "5s", "head": "7s"}
    assert found["limits"] == {"target_bytes": "16k"}


def test_each_value_has_its_line() -> None:
    reading = read("f", b"server {\n listen 81;\n location / {\n  deny all;\n }\n}")
    places = {path: place.line for path, place in reading.places.items()}
    assert places["sites[0].locations[0].action.access[0]"] == 4
    assert places["listeners[0]"] == 2


def left_out(text: str) -> list[str]:
    findings = read("f", text.encode()).findings
    return [each.what for each in findings if each.level is Level.LEFT_OUT]


def test_try_files_is_told() -> None:
    assert left_out("server { location / { try_files $uri =404; } }") == ["try_files"]
    assert left_out("server { try_files $uri =404; location / { return 204; } }") == ["try_files"]


@pytest.mark.parametrize(
    "location",
    [
        "location / { }",
        "location = /x { index a; }",
        "location ~ x { location /x { return 204; } }",
    ],
)
def test_a_location_of_files_is_told(location: str) -> None:
    path = location.split(" {", maxsplit=1)[0].rsplit(maxsplit=1)[-1]
    assert f'location "{path}" is a 404' in left_out(f"server {{ {location} }}")


@pytest.mark.parametrize(
    "inside",
    ["proxy_pass http://a;", "return 204;", "deny all;", "stub_status;", "fastcgi_pass a;"],
)
def test_a_location_that_is_not_for_files_is_not(inside: str) -> None:
    told = left_out(f"server {{ location / {{ {inside} }} }}")
    assert not any("404" in each for each in told)


def test_what_fastws_has_once_is_told_where_servers_differ() -> None:
    text = "client_header_timeout {0}; keepalive_timeout 5s; return 204;"
    servers = [f"server {{ {text.format(seconds)} }}" for seconds in ("5s", "5s", "6s")]
    assert left_out(" ".join(servers)) == ["client_header_timeout 6s"]
