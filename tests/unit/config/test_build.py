import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastws.config.build import build
from fastws.config.model import Address, Config, Listener, Route, Server, Upstream
from fastws.errors import InvalidConfigError


def faults(raw: dict[str, Any], **flags: str) -> list[str]:
    with pytest.raises(InvalidConfigError) as caught:
        build(raw, "f.toml", flags)
    assert str(caught.value) == "\n".join(map(str, caught.value.errors))
    return [str(error) for error in caught.value.errors]


def test_nothing_is_the_defaults() -> None:
    assert build({}, "f.toml") == Config()


def test_an_address_stands_for_a_listener_and_a_server() -> None:
    short = {"listeners": [":80"], "upstreams": [{"name": "a", "servers": ["b:1"]}]}
    config = build(short, "f.toml")
    assert config.listeners == (Listener(address=Address(port=80)),)
    server = Server(address=Address(host="b", port=1))
    assert config.upstreams == (Upstream(name="a", servers=(server,)),)


def test_a_single_upstream_gets_a_route_for_all() -> None:
    one, two = {"name": "a", "servers": ["b:1"]}, {"name": "b", "servers": ["b:1"]}
    assert build({"upstreams": [one]}, "f.toml").routes == (Route(upstream="a"),)
    assert build({"upstreams": [one, two]}, "f.toml").routes == ()
    routes = [{"upstream": "a", "path": "/x"}]
    assert build({"upstreams": [one], "routes": routes}, "f.toml").routes == (
        Route(upstream="a", path="/x"),
    )


def test_building_leaves_the_raw_form_alone() -> None:
    raw = {"upstreams": [{"name": "a", "servers": ["b:1"]}]}
    build(raw, "f.toml")
    assert raw == {"upstreams": [{"name": "a", "servers": ["b:1"]}]}


def test_units_are_read() -> None:
    raw = {"timeouts": {"head": "1m"}, "limits": {"queued_bytes": "128k"}}
    config = build(raw, "f.toml")
    assert (config.timeouts.head, config.limits.queued_bytes) == (60.0, 131072)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"timeouts": {"haed": 1}}, 'timeouts.haed: unknown key; did you mean "head"?'),
        ({"zzz": 1}, "zzz: unknown key"),
        ({"a b\n": 1}, r'"a b\n": unknown key'),
        ({"upstreams": [{"servers": []}]}, "upstreams[0].name: is missing"),
        (
            {"upstreams": [{"name": ""}]},
            'upstreams[0].name: expected a text of length >= 1, got ""',
        ),
        ({"upstreams": [3]}, "upstreams[0]: expected a table, got 3"),
        ({"upstreams": 3}, "upstreams: expected an array, got 3"),
        ({"listeners": ":80"}, 'listeners: expected an array, got ":80"'),
        ({"listeners": [{}]}, "listeners[0].address: is missing"),
        ({"timeouts": 5}, "timeouts: expected a table, got 5"),
        ({"timeouts": {"connect": 0}}, "timeouts.connect: expected a time above 0, got 0"),
        ({"limits": {"head_bytes": 0}}, "limits.head_bytes: expected a size above 0, got 0"),
        ({"limits": {"headers": True}}, "limits.headers: expected a whole number, got true"),
        ({"limits": {"headers": 1.5}}, "limits.headers: expected a whole number, got 1.5"),
        ({"workers": 0}, 'workers: expected "auto" or a whole number >= 1, got 0'),
        ({"driver": "urnig"}, 'driver: expected one of auto, uring, epoll, transport, got "urnig"'),
        ({"driver": [1]}, "driver: expected one of auto, uring, epoll, transport, got [1]"),
        ({"trusted_proxies": ["x"]}, None),
        ({"log": {"level": dt.date(2026, 1, 1)}}, None),
        ({"listeners": [{"address": ":1", "tls_cert": 3}]}, None),
    ],
)
def test_a_fault_has_its_path(raw: dict[str, Any], fault: str | None) -> None:
    (error,) = faults(raw)
    assert error.startswith("f.toml: ")
    assert fault is None or error == f"f.toml: {fault}"


def test_weights_are_whole_and_positive() -> None:
    for weight in (0, -1, 1.5, True, "2", 10**9):
        server = {"address": "a:1", "weight": weight}
        (error,) = faults({"upstreams": [{"name": "a", "servers": [server]}]})
        assert error.startswith("f.toml: upstreams[0].servers[0].weight: expected a whole number")


def test_all_faults_are_reported() -> None:
    raw = {"workers": "x", "timeouts": {"haed": 1, "head": -1}, "routes": [{}, {"path": "x"}]}
    paths = [error.split(": ")[1] for error in faults(raw)]
    assert sorted(paths) == [
        "routes[0].upstream",
        "routes[1].path",
        "routes[1].upstream",
        "timeouts.haed",
        "timeouts.head",
        "workers",
    ]


def test_a_fault_names_the_flag() -> None:
    assert faults({"workers": 0}, workers="--workers")[0].startswith("--workers: expected")
    (error,) = faults({"log": {"leve": 1}}, log="--set log")
    assert error.startswith("--set log: log.leve: unknown key")


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
names = st.sampled_from(
    ["listeners", "upstreams", "routes", "timeouts", "log", "name", "servers", "address", "x"]
)
trees = st.recursive(
    plain, lambda t: st.lists(t, max_size=3) | st.dictionaries(names, t, max_size=4), max_leaves=20
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, trees))
def test_any_tree_is_built_or_refused(raw: dict[str, Any]) -> None:
    try:
        config = build(raw, "f.toml")
    except InvalidConfigError as error:
        lines, errors = str(error).split("\n"), error.errors
    else:
        lines, errors = [], ()
        assert isinstance(config, Config)
    assert len(lines) == len(errors)
