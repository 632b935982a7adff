"""What a worker works out for itself; what it does shows in `fastws serve`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fastws.server import worker

if TYPE_CHECKING:
    import pytest


def cap(monkeypatch: pytest.MonkeyPatch, descriptors: int) -> int:
    monkeypatch.setattr(worker, "most_descriptors", lambda: descriptors)
    return worker._most_connections()


def test_the_cap_leaves_descriptors_for_both_sides_of_every_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert 1024 // 4 < cap(monkeypatch, 1024) < (1024 - 10) // 2


def test_there_is_room_for_one_even_when_descriptors_are_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert cap(monkeypatch, 8) == 1


def test_no_limit_is_no_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cap(monkeypatch, sys.maxsize) > 10**9
