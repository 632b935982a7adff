from __future__ import annotations

import pytest
from support.heads import response

from fastws.errors import Reject, SlowPattern, UpstreamReject
from fastws.protocol.responses import error_response


def test_an_error_to_the_letter() -> None:
    assert error_response(Reject(400, "Why; what to do.", ((b"X-A", b"b"),))) == (
        b"HTTP/1.1 400 Bad Request\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"X-A: b\r\n"
        b"Content-Length: 33\r\n"
        b"Connection: close\r\n"
        b"\r\n"
        b"400 Bad Request\nWhy; what to do.\n"
    )


@pytest.mark.parametrize("status", [400, 403, 404, 408, 414, 426, 431, 502, 503, 504])
def test_every_error_is_a_complete_answer(status: int) -> None:
    data = error_response(Reject(status, "Why."))
    parsed = response(data)
    assert parsed.status == status
    assert b"close" in parsed.values(b"connection")[0]
    body = parsed.body()
    rest = data.partition(b"\r\n\r\n")[2]
    assert body.feed(rest) == (rest, b"")
    assert body.complete
    assert rest.endswith(b"\nWhy.\n")


def test_a_426_says_what_to_upgrade_to() -> None:
    parsed = response(error_response(Reject(426, "Why.")))
    assert parsed.values(b"upgrade") == [b"websocket"]
    assert parsed.values(b"connection") == [b"close, Upgrade"]


def test_a_bad_answer_of_the_upstream_is_a_502() -> None:
    assert error_response(UpstreamReject("Why.")).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


def test_headers_may_be_added_to_an_error() -> None:
    reject = Reject(405, "Why.", ((b"Allow", b"GET"),))
    parsed = response(error_response(reject, [(b"X-A", b"a"), (b"X-A", b"b")]))
    assert parsed.values(b"allow") == [b"GET"]
    assert parsed.values(b"x-a") == [b"a", b"b"]


def test_a_pattern_of_the_configuration_is_not_told() -> None:
    reject = SlowPattern("^(secret+)+$", 0.05)
    assert "(secret+)+" in reject.reason
    data = error_response(reject)
    assert data.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"secret" not in data
    assert data.endswith(b"configuration takes too long on this request.\n")
