"""Which driver moves the bytes of plain connections: the fastest that works here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.errors import FastwsError

if TYPE_CHECKING:
    from collections.abc import Callable

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
    for each in _MAKERS:
        try:
            return _make(each, driver)
        except FastwsError:
            continue
    return None


def _uring(driver: Driver) -> Sockets:
    from fastws._uring import Uring

    return Uring(driver)


def _epoll(driver: Driver) -> Sockets:
    from fastws._epoll import Epoll

    return Epoll(driver)


_MAKERS: dict[str, Callable[[Driver], Sockets]] = {"uring": _uring, "epoll": _epoll}


def _make(name: str, driver: Driver) -> Sockets:
    try:
        return _MAKERS[name](driver)
    except (ImportError, OSError) as error:
        raise FastwsError(f"driver {name} does not work here: {error}") from error
