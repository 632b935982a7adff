"""One proxy and one scripted upstream behind it, shared by a module's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.proxy import Proxy
from support.raw import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

# No time limit ends what a test waits for: it is an event that does, or the test fails.
ENDLESS = {
    f"timeouts.{name}": 3600
    for name in ("head", "handshake", "answer", "body", "keepalive", "ping", "stall", "close")
}


@pytest.fixture(autouse=True)
def _each_driver(driver: str) -> None:
    """Run every test here with each driver."""
    assert Proxy.driver == driver


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def proxy(shared_upstream: Upstream, driver: str) -> Iterator[Proxy]:
    with Proxy(shared_upstream, driver=driver, settings=ENDLESS) as running:
        yield running


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    shared_upstream.forget()
    return shared_upstream
