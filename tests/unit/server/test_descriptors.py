from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from fastws.server.descriptors import most_descriptors

if TYPE_CHECKING:
    import pytest


def test_the_soft_limit_is_raised_to_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(256, 1024)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    assert most_descriptors() == 1024
    assert limits[-1] == (1024, 1024)


def test_one_that_cannot_be_raised_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert most_descriptors() == 256


def test_there_may_be_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    infinity = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (infinity, infinity))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert most_descriptors() > 10**9
