"""Every test with a whole proxy runs once with each driver that works here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import uvloop
from support.proxy import Proxy

from fastws._driver import Driver
from fastws.errors import FastwsError
from fastws.proxy.drivers import bare_sockets

if TYPE_CHECKING:
    from collections.abc import Iterator

DRIVERS = ("uring", "epoll", "transport")


def _why_not(name: str) -> str:
    """Why this driver does not work here, or nothing."""
    loop = uvloop.new_event_loop()
    try:
        bare_sockets(name, Driver(loop))
    except FastwsError as error:
        return str(error)
    finally:
        loop.close()
    return ""


@pytest.fixture(scope="session", params=DRIVERS, autouse=True)
def driver(request: pytest.FixtureRequest) -> Iterator[str]:
    """The driver that proxies are started with."""
    if why := _why_not(request.param):
        pytest.skip(why)
    Proxy.driver = request.param
    yield request.param
    Proxy.driver = "auto"
