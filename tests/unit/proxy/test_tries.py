"""When another peer is asked, by nginx's rules, and what is said when none was reached."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from support.upstreams import peers

from fastws.config.model import NextUpstream
from fastws.errors import Reject
from fastws.proxy.tries import Tries, condition_of, is_ours

START = 1000.0


def tries(asked: int = 1, **following: Any) -> Tries:
    """So many peers that were asked since `START`."""
    made = Tries(NextUpstream(**following), START)
    made.peers += peers(*[1] * asked)
    return made


@pytest.mark.parametrize(
    ("on", "condition", "another"),
    [
        (("error", "timeout"), "error", True),
        (("error", "timeout"), "http_502", False),
        (("http_502",), "http_502", True),
        ((), "error", False),
    ],
)
def test_another_is_asked_after_what_is_configured(
    on: tuple[str, ...], condition: str, *, another: bool
) -> None:
    assert tries(on=on).allow_another(condition, START) is another


@pytest.mark.parametrize(("limit", "another"), [(0, True), (3, True), (2, False), (1, False)])
def test_no_more_are_asked_than_is_allowed(limit: int, *, another: bool) -> None:
    assert tries(2, tries=limit).allow_another("error", START) is another


@pytest.mark.parametrize(("limit", "another"), [(0, True), (5.1, True), (5, False)])
def test_none_is_asked_when_time_is_up(limit: float, *, another: bool) -> None:
    assert tries(timeout=limit).allow_another("error", START + 5) is another


@pytest.mark.parametrize(
    ("error", "status", "why"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "10.1.1.1"), 502, "Connection refused"),
        (TimeoutError("no connection within 5 s"), 504, "no connection within 5 s"),
        (OSError(-2, "Name or service not known"), 502, "Name or service not known"),
    ],
)
def test_a_client_is_told_why_but_no_address(error: OSError, status: int, why: str) -> None:
    reject = tries(1).unreachable(error)
    assert (reject.status, reject.reason) == (
        status,
        f"The upstream could not be reached: {why}.",
    )
    reject = tries(2).unreachable(error)
    assert reject.reason == f"The last of 2 upstream servers tried could not be reached: {why}."


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_want_of_descriptors_is_ours(number: int) -> None:
    error = OSError(number, "")
    assert is_ours(error)
    assert tries().unreachable(error).status == 503
    assert not is_ours(ConnectionRefusedError(errno.ECONNREFUSED, ""))


def test_a_failure_has_nginxs_word() -> None:
    assert condition_of(Reject(504, "")) == "timeout"
    assert condition_of(Reject(502, "")) == "error"
