"""The drivers, and which of them work here."""

from __future__ import annotations

import uvloop

from fastws._driver import Driver
from fastws.errors import FastwsError
from fastws.proxy.drivers import bare_sockets

DRIVERS = ("uring", "epoll", "transport")


def why_not(name: str) -> str:
    """Why this driver does not work here, or nothing."""
    loop = uvloop.new_event_loop()
    try:
        bare_sockets(name, Driver(loop))
    except FastwsError as error:
        return str(error)
    finally:
        loop.close()
    return ""
