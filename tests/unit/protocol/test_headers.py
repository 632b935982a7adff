from __future__ import annotations

import pytest

from fastws.protocol.headers import Forwarded, forwarding, lines, nominated, tokens


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([b""], []),
        ([b"Upgrade"], [b"upgrade"]),
        ([b"keep-alive , UPGRADE\t", b",, X-a"], [b"keep-alive", b"upgrade", b"x-a"]),
    ],
)
def test_all_lines_of_a_list_are_joined(values: list[bytes], expected: list[bytes]) -> None:
    assert tokens(values) == expected


def test_what_connection_may_take_away() -> None:
    named = [
        *(b"upgrade", b"close", b"keep-alive", b"x-secret", b"cookie"),
        *(b"host", b"content-length", b"transfer-encoding", b"sec-websocket-key"),
        *(b"sec-websocket-protocol", b"x-forwarded-for", b"x-real-ip", b"forwarded"),
    ]
    assert nominated(named) == {b"close", b"x-secret", b"cookie"}
    assert nominated([b"upgrade", b"host"]) == frozenset()


def test_lines_are_exact_and_in_order() -> None:
    headers = [(b"B", b"\xff"), (b"a", b""), (b"B", b"1")]
    assert lines([b"b", b"a", b"b"], headers, frozenset()) == b"B: \xff\r\na: \r\nB: 1\r\n"
    assert lines([b"b", b"a", b"b"], headers, frozenset({b"b"})) == b"a: \r\n"
    assert lines([], [], frozenset()) == b""


SPOOFED = [
    (b"X-Forwarded-For", b"10.0.0.1"),
    (b"X-Forwarded-Proto", b"https"),
    (b"X-Forwarded-Host", b"inner"),
    (b"X-Forwarded-Port", b"1"),
    (b"X-Real-IP", b"10.0.0.1"),
    (b"Forwarded", b"for=10.0.0.1"),
]


def names(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [name.lower() for name, _ in headers]


def test_an_untrusted_peer_is_overwritten() -> None:
    headers = [*SPOOFED, (b"Cookie", b"a")]
    added, replaced = forwarding(
        names(headers), headers, b"h:1", Forwarded(b"::1", tls=False, trusted=False)
    )
    assert added == (
        b"X-Forwarded-For: ::1\r\nX-Forwarded-Proto: http\r\n"
        b"X-Forwarded-Host: h:1\r\nX-Real-IP: ::1\r\n"
    )
    assert replaced == set(names(SPOOFED))


def test_a_trusted_peer_is_appended_to() -> None:
    headers = [*SPOOFED, (b"x-forwarded-for", b"10.0.0.2, 10.0.0.3"), (b"X-Forwarded-For", b"")]
    added, replaced = forwarding(
        names(headers), headers, b"h", Forwarded(b"1.2.3.4", tls=False, trusted=True)
    )
    assert added == b"X-Forwarded-For: 10.0.0.1, 10.0.0.2, 10.0.0.3, 1.2.3.4\r\n"
    assert replaced == {b"x-forwarded-for"}


def test_what_a_trusted_peer_left_out_is_added() -> None:
    headers = [(b"X-Forwarded-Proto", b"http")]
    added, _ = forwarding(
        names(headers), headers, b"h", Forwarded(b"unknown", tls=True, trusted=True)
    )
    assert added == b"X-Forwarded-For: unknown\r\nX-Forwarded-Host: h\r\nX-Real-IP: unknown\r\n"
