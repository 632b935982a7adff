"""Which requests get a line, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.incoming import get

from fastws.config.build import build
from fastws.config.nginx.check import read
from fastws.errors import FastwsError
from fastws.observe.files import LogFiles
from fastws.observe.log import Log
from fastws.proxy.late import finish
from fastws.proxy.settings import Settings
from fastws.proxy.sites.visit import Visit

if TYPE_CHECKING:
    from pathlib import Path

LOCATION = "location / { proxy_pass http://127.0.0.1:1; }"


class Logs:
    """A site that logs to files in a folder."""

    def __init__(self, folder: Path, http: str, server: str) -> None:
        text = f"{http} server {{ listen 80; {server} {LOCATION} }}"
        reading = read(str(folder / "nginx.conf"), text.encode())
        assert reading.errors == []
        self.folder = folder
        self.files = LogFiles(Log(2))
        self.routes = Settings(build(reading.raw, "f"), files=self.files).routes

    def visit(self, target: str = "/", *headers: str) -> Visit:
        incoming = get(target, *headers)
        self.routes.decide(incoming)  # type: ignore[arg-type]
        assert isinstance(incoming.visit, Visit)
        incoming.visit.trace.status = 200
        return incoming.visit

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text("latin-1").splitlines()


@pytest.mark.parametrize(
    ("escape", "line"),
    [
        ("default", '\\x22\\x5C\\xE9|-|""|200'),
        ("json", '\\"\\\\\xe9||""|200'),
        ("none", '"\\\xe9||""|200'),
    ],
)
def test_values_are_escaped_and_texts_are_not(tmp_path: Path, escape: str, line: str) -> None:
    http = f"log_format f escape={escape} '$http_a|$http_none|\"$e\"|$status';"
    logs = Logs(tmp_path, http, 'set $e ""; access_log a.log f;')
    logs.visit("/", 'A: "\\\xe9').over()
    assert logs.lines("a.log") == [line]


def test_no_value_ends_a_line(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "log_format f escape=none $uri;", "access_log a.log f;")
    logs.visit("/%0a%0dx").over()
    assert logs.lines("a.log") == ["/\\x0A\\x0Dx"]


def test_a_condition_says_which_requests_get_a_line(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "log_format f $args;", "access_log a.log f if=$arg_x;")
    for target in ("/?x=1", "/?x=0", "/?y", "/?x=00"):
        logs.visit(target).over()
    assert logs.lines("a.log") == ["x=1", "x=00"]


def test_each_log_of_a_level_gets_its_line(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "log_format f $uri;", "access_log a.log f; access_log b.log;")
    logs.visit("/x").over()
    assert logs.lines("a.log") == ["/x"]
    assert '"GET /x HTTP/1.1" 200 0' in logs.lines("b.log")[0]


def test_a_tunnel_is_remembered_by_what_is_not_known_until_its_end(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "log_format f '$uri $status $bytes_sent.';", "access_log a.log f;")
    visit = logs.visit("/ws")
    visit.trace.status = 101
    record = visit.record()
    assert record is not None
    ((path, pieces),) = record.lines
    assert path == str(tmp_path / "a.log")
    record.trace.sent = 77
    assert finish(pieces, record.trace) == b"/ws 101 77.\n"


def test_a_tunnel_that_nobody_wants_to_know_of_is_not_remembered(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "log_format f $uri;", "access_log a.log f if=$arg_x;")
    assert logs.visit("/ws").record() is None
    assert Logs(tmp_path, "", "").visit("/ws").record() is None


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    logs = [{"name": "l", "file": str(tmp_path / "none" / "a.log")}]
    upstreams = [{"name": "u", "servers": [{"address": "127.0.0.1:1"}]}]
    sites = [{"addresses": ["127.0.0.1:80"], "action": {"access_logs": ["l"]}}]
    listeners = [{"address": "127.0.0.1:80"}]
    raw = {"listeners": listeners, "upstreams": upstreams, "sites": sites, "access_logs": logs}
    with pytest.raises(FastwsError, match="No such file"):
        Settings(build(raw, "f"), files=LogFiles(Log(2)))
