from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastws.admin.tables import show

if TYPE_CHECKING:
    import pytest

STATUS: dict[str, Any] = {
    "version": "1.2",
    "pid": 77,
    "up": 3661.2,
    "ready": True,
    "totals": {"tunnels": 3, "connections": 5},
    "rates": {"accepted": 1.25, "messages": 10.0, "bytes": 2048.0},
    "workers": [{"worker": 0, "state": "serving"}, {"worker": 11, "state": "ending"}],
    "listeners": [],
    "servers": [{"upstream": "u[x]", "address": "[fe80::1]:80"}],
}


def test_a_status_is_shown_in_tables(capsys: pytest.CaptureFixture[str]) -> None:
    show(STATUS)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("fastws 1.2, process 77, ready, up 1:01:01")
    assert lines[1] == "3 tunnels, 5 connections; a second: 1.2 connections, 10 messages, 2 KiB"
    workers = lines.index("workers")
    assert lines[workers + 1].split() == ["worker", "state"]
    # Numbers stand below one another at their ends.
    assert lines[workers + 2].index("0") == lines[workers + 3].index("1") + 1
    assert lines[workers + 3].split() == ["11", "ending"]


def test_what_others_named_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show({**STATUS, "ready": False})
    text = capsys.readouterr().out
    assert "not ready" in text
    assert ["u[x]", "[fe80::1]:80"] in [line.split() for line in text.splitlines()]
