"""Which driver moves the bytes of plain connections: the fastest that works here."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from fastws.errors import FastwsError

if TYPE_CHECKING:
    from fastws._driver import Driver
    from fastws._sockets import Sockets


def bare_sockets(name: str, driver: Driver) -> Sockets | None:
    """Make what moves bytes over bare sockets; None where transports of the loop have to do it.

    ``name`` is as in the configuration. Raises FastwsError when the driver of that name does not
    work here.
    """
    if name == "transport":
        return None
    if name != "auto":
        return _make(name, driver)
    for each in _KINDS:
        with suppress(FastwsError):
            return _make(each, driver)
    return None


_KINDS = {"uring": ("fastws._uring", "Uring"), "epoll": ("fastws._epoll", "Epoll")}


def _make(name: str, driver: Driver) -> Sockets:
    module, kind = _KINDS[name]
    try:
        made: Sockets = getattr(import_module(module), kind)(driver)
    except (ImportError, OSError) as error:
        raise FastwsError(f"driver {name} does not work here: {error}") from error
    return made
