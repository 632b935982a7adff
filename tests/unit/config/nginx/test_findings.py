from __future__ import annotations

import pytest

from fastws.config.nginx import findings
from fastws.config.nginx.findings import EnoughError, Finding, Findings, Level, Place

HERE = Place("nginx.conf", 3, 5)


@pytest.mark.parametrize(
    ("level", "fails", "fails_strictly"),
    [
        (Level.ERROR, True, True),
        (Level.WARNING, False, True),
        (Level.LEFT_OUT, False, True),
        (Level.NOTE, False, False),
    ],
)
def test_what_fails_a_file(level: Level, *, fails: bool, fails_strictly: bool) -> None:
    finding = Finding(level, HERE, "something")
    assert finding.fails(strict=False) is fails
    assert finding.fails(strict=True) is fails_strictly


def test_a_place_is_as_compilers_write_it() -> None:
    assert str(HERE) == "nginx.conf:3:5"
    assert Place("nginx.conf", 10, 1) > HERE


def test_findings_stand_in_their_order() -> None:
    found = Findings()
    found.warning(HERE, "one", "because", "write this")
    found.error(HERE, "two")
    assert found.all == [
        Finding(Level.WARNING, HERE, "one", "because", "write this"),
        Finding(Level.ERROR, HERE, "two"),
    ]


def test_nothing_is_read_behind_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Findings()
    with pytest.raises(EnoughError):
        found.stop(HERE, "that is all")
    assert found.all == [Finding(Level.ERROR, HERE, "that is all")]
    monkeypatch.setattr(findings, "MOST", 2)
    many = Findings()
    many.add(Level.NOTE, HERE, "one")
    with pytest.raises(EnoughError):
        many.add(Level.NOTE, HERE, "two")
    assert many.all[-1].fails(strict=False)
    assert "more than 2 findings" in many.all[-1].what
