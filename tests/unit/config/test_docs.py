import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from fastws.config import model, toml

ROOT = Path(__file__).parents[3]
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILES = [file for file in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))) if file.exists()]
EXAMPLES = [
    pytest.param(block, id=f"{file.name}-{i}")
    for file in FILES
    for i, block in enumerate(TOML.findall(file.read_text()))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid(example: str) -> None:
    toml.build(tomllib.loads(example), "example")


STRUCTS = [
    model.Config,
    model.Listener,
    model.Server,
    model.Upstream,
    model.Route,
    model.Timeouts,
    model.Limits,
    model.Drain,
    model.Log,
    model.Certificate,
    model.Site,
    model.Location,
    model.Action,
    model.Pass,
    model.Step,
    model.OtherMethods,
    model.HeaderLine,
    model.AddedHeader,
    model.Replacement,
    model.ErrorPage,
    model.RealAddress,
    model.Map,
    model.NextUpstream,
    model.Case,
]


@pytest.mark.parametrize("struct", STRUCTS)
def test_every_key_is_in_the_reference(struct: type[msgspec.Struct]) -> None:
    reference = (ROOT / "docs" / "configuration.md").read_text()
    for field in msgspec.structs.fields(struct):
        assert f"`{field.name}`" in reference or f"`[{field.name}]`" in reference
