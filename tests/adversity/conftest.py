"""One proxy with the defaults and one scripted upstream behind it, shared by a module's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.drivers import driver  # noqa: F401 - for all tests here
from support.proxy import Proxy
from support.raw import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def proxy(shared_upstream: Upstream, driver: str) -> Iterator[Proxy]:
    with Proxy(shared_upstream) as running:
        yield running


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    shared_upstream.forget()
    return shared_upstream
