import re
import time

import pytest

from fastws.proxy.late import VARIABLES, finish, seconds
from fastws.proxy.trace import Trace, Try


def shown(name: str, *tries: Try, **fields: object) -> str:
    return VARIABLES[name](Trace(tries=list(tries), **fields)).decode()  # type: ignore[arg-type]


def test_times_are_seconds_with_three_places_and_never_negative() -> None:
    assert [seconds(each) for each in (0, 0.0009, 1.5, 75.25, -1)] == [
        b"0.000",
        b"0.000",
        b"1.500",
        b"75.250",
        b"0.000",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("upstream_addr", "a:1, b:2 : c:3"),
        ("upstream_status", "502, - : 200"),
        ("upstream_connect_time", "-, 0.500 : 0.250"),
        ("upstream_header_time", "-, - : 1.000"),
        ("upstream_response_time", "1.000, - : 2.000"),
        ("upstream_bytes_received", "0, 0 : 120"),
        ("upstream_bytes_sent", "0, 30 : 40"),
        ("upstream_response_length", "0, 0 : 20"),
    ],
)
def test_each_attempt_is_shown_and_where_one_led_elsewhere(name: str, text: str) -> None:
    tries = (
        Try("a:1", 1.0, status=502, ended=2.0),
        Try("b:2", 2.0, connected=2.5, sent=30),
        Try(
            "c:3",
            3.0,
            detour=True,
            status=200,
            connected=3.25,
            heard=4.0,
            ended=5.0,
            sent=40,
            received=120,
            body=20,
        ),
    )
    assert shown(name, *tries) == text
    assert shown(name) == ""


def test_a_request_is_shown_as_it_ended() -> None:
    assert shown("bytes_sent", sent=7) == "7"
    assert shown("body_bytes_sent", body_sent=5) == "5"
    assert shown("request_length", received=9) == "9"
    assert shown("connection_requests", request=3) == "3"
    assert [shown("pipe", pipelined=each) for each in (True, False)] == ["p", "."]
    assert [shown("request_completion", whole=each) for each in (True, False)] == ["OK", ""]
    assert shown("request_time", began=1.0, ended=3.5) == "2.500"


def test_a_request_under_way_has_taken_time_already() -> None:
    assert float(shown("request_time", began=time.monotonic() - 60)) >= 60


def test_the_time_of_day_is_written_in_three_ways() -> None:
    before = time.time()
    assert float(shown("msec")) >= before - 0.001
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", shown("time_local"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}[+-]\d\d:\d\d", shown("time_iso8601"))


def test_a_line_is_made_of_its_pieces() -> None:
    pieces = [(b"sent ", "bytes_sent"), (b" of ", "request_length"), (b"\n", "")]
    assert finish(pieces, Trace(sent=1, received=2)) == b"sent 1 of 2\n"
