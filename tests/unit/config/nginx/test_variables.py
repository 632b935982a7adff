from __future__ import annotations

import pytest

from fastws.config.nginx.findings import Findings
from fastws.config.nginx.parser import parse
from fastws.config.nginx.variables import defined, is_known, used


def definitions(text: str) -> list[str]:
    return list(defined(parse("f", text.encode(), Findings())))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$host", ["host"]),
        ("a$Host:${Remote_Addr}b", ["host", "remote_addr"]),
        ("$1 and $name_2", ["1", "name_2"]),
        ("^/(.*)$", []),
        ("costs $", []),
    ],
)
def test_names_in_a_text(text: str, names: list[str]) -> None:
    assert used(text) == names


@pytest.mark.parametrize("name", ["host", "1", "arg_x", "http_upgrade", "upstream_http_x", "uri"])
def test_nginxs_own(name: str) -> None:
    assert is_known(name)


@pytest.mark.parametrize("name", ["connection_upgrade", "arg_", "hosts", "12"])
def test_not_nginxs_own(name: str) -> None:
    assert not is_known(name)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("set $a b;", ["a"]),
        (
            "map $http_upgrade $Connection_Upgrade { default upgrade; '' close; }",
            ["connection_upgrade"],
        ),
        ("geo $remote_addr $where { default 0; }", ["where"]),
        ("geo $where { default 0; }", ["where"]),
        (
            r"server { location ~ ^/(?<room>\w+)/(?P<seat>\d+)$ { set $b c; } }",
            ["room", "seat", "b"],
        ),
        ("proxy_set_header Host $host;", []),
    ],
)
def test_names_that_a_file_defines(text: str, names: list[str]) -> None:
    assert definitions(text) == names
