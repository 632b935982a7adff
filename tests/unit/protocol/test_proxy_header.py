from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.errors import HANG_UP, Reject
from fastws.protocol.proxy_header import ProxyHeader

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n"
End = tuple[str, int]


def binary(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes((command, family)) + struct.pack("!H", len(body)) + body


def tcp(source: End, destination: End, more: bytes = b"") -> bytes:
    v6 = ":" in source[0]
    kind = socket.AF_INET6 if v6 else socket.AF_INET
    hosts = socket.inet_pton(kind, source[0]) + socket.inet_pton(kind, destination[0])
    ports = struct.pack("!HH", source[1], destination[1])
    return binary(0x21, 0x21 if v6 else 0x11, hosts + ports + more)


def read(*pieces: bytes) -> tuple[End | None, End | None, bytes | None]:
    header = ProxyHeader()
    rest = None
    for piece in pieces:
        rest = header.feed(piece) if rest is None else rest + piece
    assert header.complete is (rest is not None)
    return header.source, header.destination, rest


def refusal(*pieces: bytes) -> str:
    with pytest.raises(Reject) as caught:
        read(*pieces)
    assert caught.value.status == HANG_UP
    return caught.value.reason.removeprefix("The connection does not begin with a PROXY header: ")


V4 = (("192.0.2.1", 50000), ("198.51.100.2", 443))
V6 = (("2001:db8::1", 0), ("::", 65535))
HEADERS = [
    (LINE, V4),
    (b"PROXY TCP6 2001:DB8:0::1 :: 0 65535\r\n", V6),
    (b"PROXY UNKNOWN\r\n", (None, None)),
    (b"PROXY UNKNOWN ffff::1 whatever 1\r\n", (None, None)),
    (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", (None, None)),  # 107 bytes: the longest line
    (tcp(*V4), V4),
    (tcp(*V6), V6),
    (tcp(*V4, more=b"\x04\0\x02hi"), V4),
    (tcp(*V4, more=bytes(4068)), V4),  # 4096 bytes
    (binary(0x20, 0x00, b""), (None, None)),  # LOCAL
    (binary(0x20, 0x11, tcp(*V4)[16:]), (None, None)),
    (binary(0x21, 0x00, b"\x01\x02\x03"), (None, None)),  # UNSPEC
    (binary(0x21, 0x31, bytes(216)), (None, None)),  # a Unix socket
    (binary(0x21, 0x12, bytes(12)), (None, None)),  # UDP
]
FAULTS = [
    (b"GET / HTTP/1.1\r\n", "there is none."),
    (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "there is none."),
    (b"PROXY\r\n", "there is none."),
    (b"\r\n\r\n\0\r\nQUIX", "there is none."),
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\n", "its line is malformed."),
    (b"PROXY TCP5 192.0.2.1 198.51.100.2 50000 443\r\n", "its line is malformed."),
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 50000\r\n", "its line is malformed."),
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443 1\r\n", "its line is malformed."),
    (b"PROXY TCP4 192.0.2.01 198.51.100.2 50000 443\r\n", "its line is malformed."),
    (b"PROXY TCP4 ::1 ::1 50000 443\r\n", "its line is malformed."),
    (b"PROXY TCP6 192.0.2.1 198.51.100.2 50000 443\r\n", "its line is malformed."),
    (b"PROXY TCP6 fe80::1%eth0 ::1 50000 443\r\n", "its line is malformed."),
    (b"PROXY TCP4  192.0.2.1 198.51.100.2 50000 443\r\n", "its line is malformed."),
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 050 443\r\n", "its line is malformed."),
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n", "a port is too large."),
    (b"PROXY TCP4 192.0.2.1\r198.51.100.2 1 443\r\n", "its line is malformed."),
    (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", "its line is malformed."),
    (b"PROXY " + b"x" * 200, "its line is malformed."),
    (binary(0x11, 0x11, bytes(12)), "its version or command is unknown."),
    (binary(0x22, 0x11, bytes(12)), "its version or command is unknown."),
    (binary(0x21, 0x11, bytes(11)), "its addresses are missing."),
    (binary(0x21, 0x21, bytes(35)), "its addresses are missing."),
    (tcp(*V4, more=bytes(4069)), "it is longer than 4096 bytes."),
]


@pytest.mark.parametrize(("header", "ends"), HEADERS)
def test_what_it_says(header: bytes, ends: tuple[End | None, End | None]) -> None:
    assert read(header) == (*ends, b"")
    assert read(header + LINE) == (*ends, LINE)  # what comes behind is no header, whatever it is


@pytest.mark.parametrize(("header", "ends"), [each for each in HEADERS if len(each[0]) < 300])
def test_it_may_be_cut_anywhere(header: bytes, ends: tuple[End | None, End | None]) -> None:
    for i in range(len(header)):
        assert read(header[:i]) == (None, None, None)
        assert read(header[:i], header[i:] + b"GET") == (*ends, b"GET")
    assert read(*(header[i : i + 1] for i in range(len(header)))) == (*ends, b"")


@pytest.mark.parametrize(("data", "why"), FAULTS)
def test_what_is_none(data: bytes, why: str) -> None:
    assert refusal(data) == why
    assert refusal(*(data[i : i + 1] for i in range(len(data)))) == why


def test_a_long_line_is_not_waited_for() -> None:
    assert read(b"PROXY UNKNOWN".ljust(106, b" "))[2] is None
    assert refusal(b"PROXY UNKNOWN".ljust(107, b" "))


@given(st.one_of(st.binary(max_size=64), st.binary(max_size=64).map(SIGNATURE.__add__)), st.data())
def test_any_bytes_give_the_same_in_any_pieces(data: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(data)))

    def outcome(*pieces: bytes) -> object:
        try:
            return read(*pieces)
        except Reject as reject:
            return reject.reason

    assert outcome(data[:cut], data[cut:]) == outcome(data)


@given(
    st.one_of(st.tuples(*[st.ip_addresses(v=v)] * 2) for v in (4, 6)),
    st.tuples(*[st.integers(0, 65535)] * 2),
)
def test_both_versions_say_the_same(hosts: tuple[object, ...], ports: tuple[int, ...]) -> None:
    (source, destination) = ends = tuple(zip(map(str, hosts), ports, strict=True))
    kind = 6 if ":" in source[0] else 4
    line = f"PROXY TCP{kind} {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n"
    assert read(line.encode()) == read(tcp(source, destination)) == (*ends, b"")
