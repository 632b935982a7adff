import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.config.build import build
from fastws.config.show import show

UP = {"name": "u", "servers": ["a:1"]}


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"listeners": [":80", "wss://[::1]:443", "unix:/a"], "workers": 3, "driver": "epoll"},
        {"timeouts": {"idle": "1h30m", "connect": 0.25}, "limits": {"head_bytes": "16k"}},
        {"trusted_proxies": ["10.0.0.0/8", "::1"], "log": {"level": "error"}},
        {"upstreams": [{**UP, "balance": 'hash "a $uri;\\"b" consistent'}]},
        {"upstreams": [{**UP, "balance": "random two; sticky cookie c expires=1.5s path=/"}]},
        {"upstreams": [{"name": 'q"\\\n\x7f é', "servers": [{"address": "a:1", "weight": 2}]}]},
        {"sites": [{"steps": [{"do": "if", "value": "$a", "steps": [{"do": "break"}]}]}]},
        {"sites": [{"locations": [{"path": "/", "action": {"access": ["deny ::/0"]}}]}]},
        {"maps": [{"variable": "a", "source": "${b}c", "cases": [{"key": "", "value": ""}]}]},
    ],
)  # fmt: skip
def test_what_is_shown_reads_back(raw: dict[str, Any]) -> None:
    config = build(raw, "f")
    assert build(tomllib.loads(show(config, {})), "f") == config


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_reads_back(text: str) -> None:
    config = build({"sites": [{"name": text}]}, "f")
    assert build(tomllib.loads(show(config, {})), "f") == config


def test_the_place_of_a_value_stands_behind_it() -> None:
    places = {"listeners[0]": "x.conf:1:2", "workers": "x\n.conf:3:4"}
    shown = show(build({"listeners": [":80"], "workers": 2}, "f"), places)
    assert "[[listeners]]  # x.conf:1:2\n" in shown
    assert "workers = 2  # 'x\\n.conf:3:4'\n" in shown
