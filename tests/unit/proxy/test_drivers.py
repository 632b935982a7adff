from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fastws.errors import FastwsError
from fastws.proxy import drivers
from fastws.proxy.drivers import bare_sockets

DRIVER: Any = object()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each module's driver is made by: an error is raised."""
    kinds: dict[str, Any] = {}

    def make(name: str) -> Any:
        outcome = kinds[name]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def imported(module: str) -> object:
        name = module.removeprefix("fastws._")
        if isinstance(kinds[name], ImportError):
            raise kinds[name]
        return SimpleNamespace(**{name.capitalize(): lambda _: make(name)})

    monkeypatch.setattr(drivers, "import_module", imported)
    return kinds


def test_the_first_that_works_is_taken(made: dict[str, Any]) -> None:
    made.update(uring="ring", epoll="epoll")
    assert bare_sockets("auto", DRIVER) == "ring"
    made["uring"] = PermissionError("no io_uring in this container")
    assert bare_sockets("auto", DRIVER) == "epoll"
    made["epoll"] = ImportError("not built here")
    assert bare_sockets("auto", DRIVER) is None


def test_one_that_is_named_is_taken_or_told(made: dict[str, Any]) -> None:
    made.update(uring=PermissionError("no io_uring in this container"), epoll="epoll")
    assert bare_sockets("epoll", DRIVER) == "epoll"
    assert bare_sockets("transport", DRIVER) is None
    with pytest.raises(FastwsError, match="driver uring does not work here: no io_uring"):
        bare_sockets("uring", DRIVER)
