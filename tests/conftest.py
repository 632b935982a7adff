"""Fixtures and markers that every folder of tests may use."""

from __future__ import annotations

import pytest
from support import profiles
from support.certificates import Certificates, issue


def pytest_configure(config: pytest.Config) -> None:
    profiles.load()
    config.addinivalue_line(
        "markers", "slow: takes more than some seconds (leave out: -m 'not slow')"
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("certificates"))
