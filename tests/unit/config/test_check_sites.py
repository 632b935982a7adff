from typing import Any

import pytest

from fastws.config.build import build
from fastws.config.checks import check
from fastws.errors import InvalidConfigError

UP = {"name": "u", "servers": ["a:1"]}


def faults(*locations: dict[str, Any], **raw: Any) -> list[str]:
    site = {"locations": list(locations)}
    whole = {"listeners": [":80"], "upstreams": [UP], "sites": [site], **raw}
    try:
        check(build(whole, "f"), "f", {})
    except InvalidConfigError as error:
        return [str(each).removeprefix("f: ") for each in error.errors]
    return []


def at(path: str = "/", **action: Any) -> dict[str, Any]:
    return {"path": path, "action": action}


def test_a_good_site_passes() -> None:
    step = {"do": "set", "name": "x", "value": "$uri"}
    headers = [{"name": "A", "value": "$x$1$m"}]
    location = {**at(forward={"upstream": "u"}, set_headers=headers), "steps": [step]}
    maps = [{"variable": "m", "source": "$arg_a"}]
    assert faults(location, maps=maps) == []


@pytest.mark.parametrize(
    ("locations", "fault"),
    [
        ([at(forward={"upstream": "v"})], "action.forward: there is no upstream"),
        ([at("x")], 'path: begins with no "/"'),
        ([at(), at()], "locations[1]: is for /, as sites[0].locations[0] is"),
        ([{"match": "regex", "path": "("}], "path: is no regular expression"),
        ([at(otherwise="@a")], 'action.otherwise: there is no location "@a"'),
        ([at(set_headers=[{"name": "A", "value": "$nope"}])], "value: unknown variable $nope"),
        ([at(set_headers=[{"name": "A", "value": "$ur"}])], 'did you mean "$uri"?'),
        ([{"path": "/", "steps": [{"do": "set"}]}], 'name: is missing where "set" is done'),
        ([{"path": "/", "steps": [{"do": "rewrite", "pattern": "("}]}], "pattern: is no"),
        (
            [{"match": "regex", "path": "a", "action": {"forward": {"upstream": "u", "uri": "/"}}}],
            "forward.uri: has no path here",
        ),
        ([at(redirects=[{"find": "~("}])], "find: is no regular expression"),
    ],
)  # fmt: skip
def test_each_fault_is_named(locations: list[dict[str, Any]], fault: str) -> None:
    found = faults(*locations)
    assert len(found) == 1
    assert fault in found[0]


def test_routes_and_sites_exclude_one_another() -> None:
    assert faults(routes=[{"upstream": "u"}]) == [
        "routes: cannot stand beside sites; say it all in one of the two"
    ]


def test_a_key_knows_fewer_variables_without_sites() -> None:
    upstream = {**UP, "balance": "hash $scheme"}
    assert faults(upstreams=[upstream]) == []
    found = faults(upstreams=[upstream], sites=[], routes=[{"upstream": "u"}])
    assert found == ["upstreams[0].balance: unknown variable $scheme"]


@pytest.mark.parametrize(
    ("compare", "keys", "fault"),
    [
        ("shares", ["50", "1%"], 'maps[0].cases[0].key: is no share such as "0.5%"'),
        ("shares", ["0.005%"], 'maps[0].cases[0].key: is no share such as "0.5%"'),
        ("shares", ["60%", "40.01%"], "maps[0].cases: are more than 100%"),
        ("networks", ["10.0.0.0/8", "x"], "maps[0].cases[1].key: is no network"),
        ("networks", ["10.0.0.1/8"], "maps[0].cases[0].key: is no network"),
    ],
)
def test_what_a_map_cannot_compare(compare: str, keys: list[str], fault: str) -> None:
    cases = [{"key": key, "value": "x"} for key in keys]
    table = {"variable": "a", "source": "$host", "compare": compare, "cases": cases}
    assert fault in "\n".join(faults(at(), maps=[table]))
