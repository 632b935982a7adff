import os

import pytest

from fastws.server.pinning import pin


@pytest.mark.parametrize(("place", "core"), [(0, 2), (1, 5), (2, 2)])
def test_places_take_the_cores_in_turn(
    place: int, core: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[tuple[int, set[int]]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 2}, raising=False)
    monkeypatch.setattr(
        os, "sched_setaffinity", lambda pid, cores: chosen.append((pid, cores)), raising=False
    )
    pin(place)
    assert chosen == [(0, {core})]


def test_a_system_without_such_a_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    pin(0)
