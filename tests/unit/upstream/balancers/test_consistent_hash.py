from __future__ import annotations

from collections import Counter
from zlib import crc32

import pytest
from support.upstreams import Asker, asker, peers, picks

from fastws.config.addresses import read_server_address
from fastws.config.template import read_template
from fastws.upstream.balancers.consistent_hash import ConsistentHash
from fastws.upstream.key import compile_key
from fastws.upstream.peer import Peer, lone_state

URI = compile_key(read_template("$request_uri"))


def ring(*servers: tuple[bytes, int]) -> list[tuple[int, bytes]]:
    """nginx's points, in the plainest words; a server is written as it is hashed."""
    points = []
    for name, weight in servers:
        previous = bytes(4)
        for _ in range(160 * weight):
            point = crc32(name + previous)
            points.append((point, name))
            previous = bytes((point & 255, point >> 8 & 255, point >> 16 & 255, point >> 24))
    return sorted(points)


def home(points: list[tuple[int, bytes]], key: bytes, *skip: bytes) -> bytes:
    place = next((i for i, (point, _) in enumerate(points) if point >= crc32(key)), 0)
    return next(name for _, name in points[place:] + points if name not in skip)


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 1, 5)])
def test_a_key_has_a_home(weights: tuple[int, ...]) -> None:
    everyone = peers(*weights)
    points = ring(*((b"%c\00080" % letter, w) for letter, w in zip(b"abc", weights, strict=True)))
    balancer = ConsistentHash(everyone, URI)
    for i in range(300):
        key = b"/%d" % i
        first = home(points, key)
        assert picks(balancer, 2, client=asker(key)).encode() == first[:1] * 2
        tried = everyone[b"abc".index(first[:1])]
        assert picks(balancer, 1, tried, client=asker(key)).encode() == home(points, key, first)[:1]


@pytest.mark.parametrize(
    ("address", "hashed"),
    [
        ("127.0.0.1:3000", b"127.0.0.1\0003000"),
        ("[::1]:80", b"[::1]\00080"),
        ("chat.test:80", b"chat.test\00080"),
        ("unix:/run/a.sock", b"/run/a.sock\0"),
        ("unix:/run/a:80", b"/run/a:80\0"),
    ],
)
def test_a_server_is_hashed_by_its_name(address: str, hashed: bytes) -> None:
    balancer = ConsistentHash([Peer(read_server_address(address), lone_state(1))], URI)
    assert balancer._points == [point for point, _ in ring((hashed, 1))]


def test_a_name_may_be_without_a_port() -> None:
    """As in nginx's configuration, where it is 80 then, and not hashed."""
    peer = Peer(read_server_address("10.0.0.1:80"), lone_state(1), name="10.0.0.1")
    balancer = ConsistentHash([peer], URI)
    assert balancer._points == [point for point, _ in ring((b"10.0.0.1\0", 1))]


def test_servers_of_one_name_take_turns() -> None:
    first, second = peers(1, 1, name="same")
    balancer = ConsistentHash([first, second], URI)
    assert picks(balancer, 4) == "abab"
    first.down = True
    assert picks(balancer, 2) == "bb"


def test_keys_of_others_stay_when_a_server_goes() -> None:
    before, after = ConsistentHash(peers(1, 1, 1, 1), URI), ConsistentHash(peers(1, 1, 1), URI)
    moved = Counter()
    for i in range(1000):
        client = asker(b"/%d" % i)
        was, now = picks(before, 1, client=client), picks(after, 1, client=client)
        assert was in ("d", now)
        moved[now] += was != now
    assert len(moved) == 3  # and what moves is spread


def test_without_a_key_it_is_round_robin() -> None:
    args = compile_key(read_template("$args"))
    assert picks(ConsistentHash(peers(1, 1, 1), args), 6, client=asker(b"/")) == "abcabc"


def test_round_robin_finds_the_needle() -> None:
    haystack = peers(1000, 1)
    haystack[0].down = True
    balancer = ConsistentHash(haystack, URI)
    assert {picks(balancer, 1, client=asker(b"/%d" % i)) for i in range(50)} == {"b"}


def test_nobody_is_left_when_all_were_tried() -> None:
    everyone = peers(1, 1, 1)
    assert ConsistentHash(everyone, URI).pick(everyone, Asker()) is None
