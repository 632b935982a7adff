"""What is tested is the package as installed, and it is whole."""

from __future__ import annotations

import importlib
import re
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

import fastws

INSTALLED = Path(fastws.__file__).parent
SOURCES = Path(__file__).parents[2] / "fastws"
EXTENSIONS = [
    ".".join(path.relative_to(SOURCES).with_suffix("").parts)
    for path in sorted(SOURCES.rglob("*.pyx"))
]

# import-linter does not see what is compiled. Everything a compiled module may name:
MAY_IMPORT = {
    "_board": set(),
    "_frame": set(),
    "_mask": set(),
    "_pipe": {"_frame", "_mask", "_utf8"},
    "_relay": {"_frame", "_mask", "_pipe"},
    "_sha1": set(),
    "_utf8": set(),
    "_net": set(),
    "_queue": set(),
    "_driver": {"_net", "_pipe", "_relay"},
    "_transport": {"_driver", "_net", "_pipe", "_queue", "_relay"},
    "_sockets": {"_driver", "_net", "_pipe", "_queue", "_relay"},
    "_epoll": {"_driver", "_net", "_sockets"},
    "_io_uring": set(),
    "_uring": {"_driver", "_io_uring", "_net", "_queue", "_sockets"},
    "_memory": {"_pipe", "_relay"},
    "_pump": {"_driver", "_pipe", "_relay", "protocol"},
    **{
        f"protocol.{name}": {"errors", "protocol"}
        for name in ("body", "extensions", "forward", "handshake", "head", "headers", "target")
    },
    "protocol.accept": {"_sha1"},
}


def test_the_tests_run_against_the_installed_package() -> None:
    site_packages = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    assert INSTALLED.parent in site_packages


def test_what_is_installed_is_the_tree() -> None:
    """`make test` installs again whenever a source has changed."""
    for path in SOURCES.rglob("*.py"):
        installed = INSTALLED / path.relative_to(SOURCES)
        assert installed.read_bytes() == path.read_bytes(), f"{path} is newer than the installation"
    strangers = {path.relative_to(INSTALLED) for path in INSTALLED.rglob("*.py")} - {
        path.relative_to(SOURCES) for path in SOURCES.rglob("*.py")
    }
    assert not strangers


@pytest.mark.parametrize("name", EXTENSIONS)
def test_extensions_are_compiled(name: str) -> None:
    module = importlib.import_module(f"fastws.{name}")
    assert module.__file__ is not None
    assert INSTALLED in Path(module.__file__).parents
    assert module.__file__.endswith(sysconfig.get_config_var("EXT_SUFFIX"))


def test_the_version_is_the_distributions() -> None:
    assert metadata.version("fastws-proxy") == fastws.__version__


def test_the_command_is_installed() -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="fastws")
    assert command.value == "fastws.cli:main"


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "server/demo.html",
        *(f"{module.replace('.', '/')}.pyi" for module in EXTENSIONS),
        *(str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.pxd")),
    ],
)
def test_data_files_are_installed(name: str) -> None:
    assert (INSTALLED / name).read_bytes() == (SOURCES / name).read_bytes()


def test_nothing_else_is_installed() -> None:
    kinds = {path.suffix for path in INSTALLED.rglob("*") if path.is_file()}
    assert kinds <= {".py", ".pyc", ".pyi", ".pxd", ".so", ".typed", ".html"}


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_compiled_modules_keep_the_import_rule(name: str) -> None:
    sources = SOURCES.glob(f"{name.replace('.', '/')}.p[yx][xd]")
    text = "".join(path.read_text() for path in sources)
    imported = set(re.findall(r"^\s*(?:from|c?import)\s+fastws\.(\w+)", text, re.MULTILINE))
    assert imported <= MAY_IMPORT[name]


def test_every_compiled_module_is_in_the_import_rule() -> None:
    compiled = {path.relative_to(SOURCES).with_suffix("") for path in SOURCES.rglob("*.p[yx][xd]")}
    assert {".".join(path.parts) for path in compiled} == set(MAY_IMPORT)


def test_protocol_takes_from_outside_no_more_than_a_hash() -> None:
    taken = [
        line
        for path in (SOURCES / "protocol").glob("*.p[xy]*")
        for line in path.read_text().splitlines()
        if re.search(r"import.*fastws\._|from fastws\._", line)
    ]
    assert taken == ["from fastws._sha1 cimport sha1_60"]
