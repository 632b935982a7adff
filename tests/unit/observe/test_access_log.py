from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from fastws._board import Board, WorkerCounts
from fastws._memory import MemoryTunnel
from fastws._pipe import Rules
from fastws._relay import Ending
from fastws.observe import access_log
from fastws.observe.access_log import AccessLog
from fastws.observe.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Lines = list[dict[str, Any]]

# The log's words for the relay's: the side that acted is what an operator looks for.
SHORT = {"CLIENT_CLOSED": "client", "UPSTREAM_CLOSED": "upstream"}


@dataclass
class Counts:
    forwarded: int = 0
    messages: int = 0


@dataclass
class Report:
    ending: int = 0
    code: int = 1000
    reason: bytes = b""
    upward: Counts = field(default_factory=Counts)
    downward: Counts = field(default_factory=Counts)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    os.close(ends[0])
    os.close(ends[1])


@pytest.fixture
def lines(pipe: tuple[int, int]) -> Callable[[], Lines]:
    """What was written so far."""
    os.set_blocking(pipe[0], False)

    def read() -> Lines:
        try:
            return [json.loads(line) for line in os.read(pipe[0], 1 << 20).splitlines()]
        except BlockingIOError:
            return []

    return read


def counts() -> WorkerCounts:
    return Board(workers=1, peers=1, tunnels=1).worker(0)


@pytest.fixture
def log(pipe: tuple[int, int]) -> AccessLog:
    return AccessLog(Log(pipe[1], "info", "json"), counts())


def closed(log: AccessLog, report: Any) -> None:
    log.closed(
        number=7, client="1.2.3.4:5", upstream="10.0.0.1:80", duration=1.23456, report=report
    )


def test_a_refusal_is_a_warning(log: AccessLog, lines: Callable[[], Lines]) -> None:
    log.refused(client="c", target=b"/x", host=b"h", status=404, reason="No route.")
    assert log._counts.numbers()["answers"] == {404: 1}  # type: ignore[attr-defined]
    (line,) = lines()
    del line["time"]
    assert line == {
        "level": "warning",
        "event": "handshake_refused",
        "client": "c",
        "host": "h",
        "target": "/x",
        "status": 404,
        "reason": "No route.",
    }


@pytest.mark.parametrize(("reason", "level"), [("", "info"), ("No route.", "warning")])
def test_a_plain_request(
    log: AccessLog, lines: Callable[[], Lines], reason: str, level: str
) -> None:
    log.request(
        client="c",
        method=b"PUT",
        target=b"/x",
        host=b"h",
        status=201,
        upstream="10.0.0.1:80",
        bytes_in=3,
        bytes_out=4,
        duration=1.23456,
        ended_by="complete",
        reason=reason,
    )
    assert log._counts.numbers()["answers"] == {201: 1}  # type: ignore[attr-defined]
    (line,) = lines()
    del line["time"]
    assert line == {
        "level": level,
        "event": "request",
        "client": "c",
        "host": "h",
        "method": "PUT",
        "target": "/x",
        "status": 201,
        "upstream": "10.0.0.1:80",
        "ended_by": "complete",
        "reason": reason,
        "bytes_in": 3,
        "bytes_out": 4,
        "duration": 1.235,
    }


def test_a_tunnel_that_opens(log: AccessLog, lines: Callable[[], Lines]) -> None:
    log.opened(
        number=7, client="c", target=b"/x", host=b"h", upstream="10.0.0.1:80", protocol=b"chat"
    )
    (line,) = lines()
    del line["time"]
    assert line == {
        "level": "info",
        "event": "tunnel_opened",
        "id": 7,
        "client": "c",
        "host": "h",
        "target": "/x",
        "upstream": "10.0.0.1:80",
        "protocol": "chat",
    }


def test_a_tunnel_that_ends(log: AccessLog, lines: Callable[[], Lines]) -> None:
    report = Report(Ending.CLIENT_CLOSED, 1001, b"bye", Counts(10, 1), Counts(2000, 30))
    closed(log, report)
    (line,) = lines()
    del line["time"]
    assert line == {
        "level": "info",
        "event": "tunnel_closed",
        "id": 7,
        "client": "1.2.3.4:5",
        "upstream": "10.0.0.1:80",
        "ended_by": "client",
        "code": 1001,
        "reason": "bye",
        "bytes_in": 10,
        "bytes_out": 2000,
        "messages_in": 1,
        "messages_out": 30,
        "duration": 1.235,
    }


@pytest.mark.parametrize("ending", Ending)
def test_every_ending_has_its_name(
    ending: Ending, log: AccessLog, lines: Callable[[], Lines]
) -> None:
    closed(log, Report(ending))
    assert lines()[0]["ended_by"] == SHORT.get(ending.name, ending.name.lower())


def test_there_are_no_names_without_an_ending() -> None:
    # The last one is no tunnel's, but a worker's that is gone.
    assert len(access_log.ENDINGS) == len(Ending.__members__) + 1


def test_a_real_tunnel_is_a_report(log: AccessLog, lines: Callable[[], Lines]) -> None:
    tunnel = MemoryTunnel(Rules())
    tunnel.receive("upstream", b"\x81\x02hi")
    tunnel.receive("upstream", b"\x88\x05\x03\xe8bye")
    closed(log, tunnel)
    (line,) = lines()
    assert line["ended_by"] == "upstream"
    assert (line["code"], line["reason"]) == (1000, "bye")
    assert (line["messages_in"], line["messages_out"]) == (0, 1)
    assert (line["bytes_in"], line["bytes_out"]) == (0, 11)


def test_only_refusals_are_left_at_level_warning(
    pipe: tuple[int, int], lines: Callable[[], Lines]
) -> None:
    quiet = AccessLog(Log(pipe[1], "warning", "json"), counts())
    quiet.opened(number=1, client="c", target=b"/", host=b"", upstream="u", protocol=b"")
    closed(quiet, Report())
    quiet.refused(client="c", target=b"/", host=b"", status=400, reason="")
    assert [line["event"] for line in lines()] == ["handshake_refused"]


@pytest.mark.parametrize(("level", "thorough"), [("info", True), ("warning", False)])
def test_who_gathers_what_a_tunnel_is_to_have_in_the_log_asks_before(
    pipe: tuple[int, int], level: str, *, thorough: bool
) -> None:
    assert AccessLog(Log(pipe[1], level), counts()).thorough == thorough
