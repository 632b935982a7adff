"""Names told apart, and the lines that are written; by way of the requests built with them."""

from __future__ import annotations

import pytest
from support.heads import UPGRADE, head, request, upgrade

from fastws.protocol.handshake import judge, upgrade_request
from fastws.protocol.headers import Forwarded

CLIENT = Forwarded(b"1.2.3.4", tls=False, trusted=False)
PROXY = Forwarded(b"1.2.3.4", tls=False, trusted=True)

SPOOFED = (
    b"X-Forwarded-For: 10.0.0.1",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: inner",
    b"X-Forwarded-Port: 1",
    b"X-Real-IP: 10.0.0.1",
    b"Forwarded: for=10.0.0.1",
)
HOP_BY_HOP = (
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"connection",
)
IDENTITIES = (
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-forwarded-",
    b"x-forwarded-port",
    b"x-real-ip",
    b"x-real-ip-2",
    b"forwarded",
    b"forwarded-by",
)
PREFIXES = (b"forwarded", b"x-forwarded-", b"x-real-ip")
# Each is told apart by its letters: where one of them differs it is another name.
MEANINGFUL = (
    *HOP_BY_HOP,
    *IDENTITIES,
    b"content-length",
    b"host",
    b"transfer-encoding",
    b"upgrade",
)


def relayed(*lines: bytes, forwarded: Forwarded = CLIENT) -> list[bytes]:
    """The lines of a request that are relayed besides the usual ones."""
    built = upgrade_request(judge(request(upgrade(*lines))), forwarded).split(b"\r\n")
    return [line for line in built[1 : built.index(b"Upgrade: websocket")] if line not in UPGRADE]


def added(*lines: bytes, forwarded: Forwarded) -> list[bytes]:
    built = upgrade_request(judge(request(upgrade(*lines))), forwarded).split(b"\r\n")
    return built[built.index(b"Connection: Upgrade") + 1 : -2]


@pytest.mark.parametrize("name", [*HOP_BY_HOP, *IDENTITIES])
def test_names_are_known_in_any_case(name: bytes) -> None:
    for spelt in (name, name.upper(), name.title(), name.swapcase()):
        assert relayed(spelt + b": a") == []


@pytest.mark.parametrize("name", MEANINGFUL)
def test_names_that_only_look_like_them_are_relayed(name: bytes) -> None:
    near = [
        name[:-1],
        *(name[:at] + b"!" + name[at + 1 :] for at in range(len(name))),
        *(name[:at] + b"q" + name[at + 1 :] for at in range(len(name))),
    ]
    for other in near:
        if not other.startswith(PREFIXES):
            assert relayed(other + b": a") == [other + b": a"]


@pytest.mark.parametrize("name", [*HOP_BY_HOP, b"upgrade", b"host", b"content-length"])
def test_a_longer_name_is_another(name: bytes) -> None:
    assert relayed(name + b"x: a") == [name + b"x: a"]


def test_lines_are_exact_and_in_order() -> None:
    lines = (b"B: \xff", b"a: ", b"B: 1", b"C: d  e\tf")
    assert relayed(*lines) == list(lines)
    assert relayed(b"a:b", b"c: \t d \t", b"e:") == [b"a: b", b"c: d", b"e: "]


def test_what_connection_may_take_away() -> None:
    named = (b"close", b"x-secret", b"Cookie", b"Origin")
    kept = (b"Sec-WebSocket-Foo: 1", b"Sec-WebSocket-Protocol: a")
    nominations = (
        b"Connection: close, X-SECRET,cookie",
        b"connection: origin, sec-websocket-foo, host, sec-websocket-protocol, x-other",
    )
    assert relayed(*(name + b": a" for name in named), *kept, *nominations) == list(kept)


def test_what_says_who_the_client_is_cannot_be_nominated_away() -> None:
    named = [line.partition(b":")[0] for line in SPOOFED]
    nominations = [b"Connection: " + b", ".join(named)]
    assert relayed(*SPOOFED, *nominations, forwarded=PROXY) == list(SPOOFED[1:])


def test_an_untrusted_peer_is_overwritten() -> None:
    client = Forwarded(b"::1", tls=False, trusted=False)
    assert relayed(*SPOOFED, b"Cookie: a", forwarded=client) == [b"Cookie: a"]
    assert added(*SPOOFED, forwarded=client) == [
        b"X-Forwarded-For: ::1",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: example.com",
        b"X-Real-IP: ::1",
    ]


def test_a_trusted_peer_is_appended_to() -> None:
    lines = (*SPOOFED, b"x-forwarded-for: 10.0.0.2, 10.0.0.3", b"X-Forwarded-For:")
    assert relayed(*lines, forwarded=PROXY) == list(SPOOFED[1:])
    assert added(*lines, forwarded=PROXY) == [
        b"X-Forwarded-For: 10.0.0.1, 10.0.0.2, 10.0.0.3, 1.2.3.4"
    ]


def test_what_a_trusted_peer_left_out_is_added() -> None:
    forwarded = Forwarded(b"unknown", tls=True, trusted=True)
    assert added(b"X-Forwarded-Proto: http", forwarded=forwarded) == [
        b"X-Forwarded-For: unknown",
        b"X-Forwarded-Host: example.com",
        b"X-Real-IP: unknown",
    ]


@pytest.mark.parametrize(
    "lines",
    [
        (b"Upgrade: websocket",),
        (b"Upgrade: WEBSOCKET",),
        (b"Upgrade: h2c\t,\t websocket \t",),
        (b"Upgrade: ,, ,websocket,", b"Upgrade:"),
        (b"Upgrade: h2c", b"Upgrade: web", b"Upgrade: websocket"),
    ],
)
def test_all_lines_of_a_list_are_read(lines: tuple[bytes, ...]) -> None:
    parsed = request(head(b"GET / HTTP/1.1", [line for line in UPGRADE if line[:4] != b"Upgr"]))
    assert not parsed.is_upgrade
    assert judge(request(upgrade(*lines, without=b"Upgrade"))).host == b"example.com"
