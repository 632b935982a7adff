"""What a worker works out for itself; what it does shows in `fastws serve`."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from fastws.server import worker

if TYPE_CHECKING:
    import pytest


def test_the_cap_leaves_descriptors_for_both_sides_of_every_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = [(256, 1024)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    cap = worker._most_connections()
    assert limits[-1] == (1024, 1024), "the soft limit is raised to the hard one"
    assert 2 * cap < 1024 - 10
    assert cap > 1024 // 4


def test_there_is_room_for_one_even_when_descriptors_are_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8, 8))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert worker._most_connections() == 1


def test_no_limit_is_no_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    infinity = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (infinity, infinity))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert worker._most_connections() > 10**9
