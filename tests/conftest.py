"""Fixtures and markers that every folder of tests may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import profiles
from support.certificates import Certificates, issue
from support.drivers import DRIVERS, why_not
from support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure(config: pytest.Config) -> None:
    profiles.load()
    config.addinivalue_line("markers", "timing: has a bound that sanitizers are too slow for")
    config.addinivalue_line(
        "markers", "slow: takes more than some seconds (leave out: -m 'not slow')"
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session", params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Iterator[str]:
    """The driver that proxies are started with, one after the other."""
    if why := why_not(request.param):
        pytest.skip(why)
    Proxy.driver = request.param
    yield request.param
    Proxy.driver = "auto"
