import json
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from fastws import cli
from fastws._board import Board
from fastws.config import model
from fastws.config.build import build
from fastws.config.nginx.directives import Fate, rules
from fastws.observe.access_log import ENDINGS
from fastws.observe.metrics import render

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "configuration.md").read_text()
NGINX = (ROOT / "docs" / "nginx.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILES = [file for file in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))) if file.exists()]
EXAMPLES = [
    pytest.param(block, id=f"{file.name}-{i}")
    for file in FILES
    for i, block in enumerate(TOML.findall(file.read_text()))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid(example: str) -> None:
    build(tomllib.loads(example), "example")


STRUCTS = [
    each
    for each in vars(model).values()
    if isinstance(each, type)
    and issubclass(each, msgspec.Struct)
    and each.__module__ == model.__name__
]


@pytest.mark.parametrize("struct", STRUCTS)
def test_every_key_is_in_the_reference(struct: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(struct):
        assert f"`{field.name}`" in REFERENCE or f"`[{field.name}]`" in REFERENCE


# In the order in which the reference has their tables.
TABLES = [
    model.Listener,
    model.Upstream,
    model.Server,
    model.Route,
    model.NextUpstream,
    model.Site,
    model.Location,
    model.Action,
    model.Map,
    model.AccessLog,
    model.Timeouts,
    model.Limits,
    model.Drain,
    model.Log,
    model.Admin,
    model.Config,
]
TABLE = re.compile(r"^\| key \| default \| \|\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
ROW = re.compile(r"^\| `(.+?)` \| (.*?) ?\| ", re.MULTILINE)
WRITTEN = TABLE.findall(REFERENCE)


def test_every_table_of_the_reference_is_compared() -> None:
    assert len(WRITTEN) == len(TABLES)


@pytest.mark.parametrize(("struct", "table"), list(zip(TABLES, WRITTEN, strict=False)))
def test_the_defaults_are_those_of_the_model(struct: type[msgspec.Struct], table: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for keys, default in ROW.findall(table):
        for key in keys.split("`, `"):
            assert default.replace("`", "").startswith(spelled(fields[key]))


def spelled(field: Any) -> str:
    """Write a default as the reference does, or as much of it as can be told by rule."""
    default = field.default
    if field.required:
        return "required"
    match default:
        case 0 if field.name == "workers":
            text = '"auto"'
        case bool() | str() | (str(), *_):
            text = json.dumps(default)
        case float() if default:
            text = f"{default:g} s"
        case int() | float():
            text = f"{default // 1024} KiB" if "_bytes" in field.name else f"{default:g}"
        case _:  # none, or a table, of which each key has its own
            text = ""
    return text


OPTIONS = [
    option
    for command in cli.main.commands.values()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in parameter.opts
]


@pytest.mark.parametrize("option", sorted({*OPTIONS}))
def test_every_option_is_explained(option: str) -> None:
    assert re.search(rf"{option}\b", REFERENCE + NGINX + OPERATING)


EVENT = re.compile(r"\b(?:debug|info|warning|error|log)\(\s*\"(\w+)\"")
EVENTS = {
    event for path in (ROOT / "fastws").rglob("*.py") for event in EVENT.findall(path.read_text())
}


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_every_event_of_the_log_is_explained(event: str) -> None:
    assert f"\n| `{event}` |" in OPERATING


@pytest.mark.parametrize("ending", ENDINGS[1:])  # the first is that of an open tunnel
def test_every_ending_is_explained(ending: str) -> None:
    assert f"`{ending}`" in OPERATING


def test_every_metric_is_explained() -> None:
    status = {"totals": Board(1, 1, 0).totals(), "workers": [], "servers": []}
    text = render(status).decode()
    for name in re.findall(r"^# TYPE (\w+)", text, re.MULTILINE):
        assert f"`{name}`" in OPERATING


DIRECTIVES = [name for name, written in rules().items() if written[0].fate is Fate.USED]


@pytest.mark.parametrize("directive", DIRECTIVES)
def test_every_directive_that_is_used_is_named(directive: str) -> None:
    assert re.search(f"`{directive}[ `]", NGINX)
