from __future__ import annotations

from zlib import crc32

import pytest
from support.upstreams import Asker, asker, peers, picks

from fastws.config.template import read_template
from fastws.upstream.balancers.hash import Hash
from fastws.upstream.key import compile_key

URI = compile_key(read_template("$request_uri"))


def home(key: bytes, *weights: int, skip: str = "") -> str:
    """nginx's arithmetic, in the plainest words."""
    lots = "".join("abcdefgh"[i] * weight for i, weight in enumerate(weights))
    total = 0
    for again in range(21):
        prefix = str(again).encode() if again else b""
        total += crc32(prefix + key) >> 16 & 0x7FFF
        if (found := lots[total % len(lots)]) not in skip:
            return found
    (last,) = set(lots) - set(skip)  # round robin's choice, and only one is left
    return last


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 1, 5)])
@pytest.mark.parametrize("gone", ["", "b", "ac"])
def test_a_key_has_a_home(weights: tuple[int, ...], gone: str) -> None:
    everyone = peers(*weights)
    for peer in everyone:
        peer.down = peer.address.host in gone
    balancer = Hash(everyone, URI)
    for i in range(100):
        expected = home(b"/%d" % i, *weights, skip=gone)
        assert picks(balancer, 2, client=asker(b"/%d" % i)) == expected * 2


def test_who_was_tried_is_passed_over_as_who_is_down() -> None:
    everyone = peers(1, 1, 1)
    balancer = Hash(everyone, URI)
    for i in range(100):
        first = home(b"/%d" % i, 1, 1, 1)
        peer = everyone["abc".index(first)]
        expected = home(b"/%d" % i, 1, 1, 1, skip=first)
        assert picks(balancer, 1, peer, client=asker(b"/%d" % i)) == expected


def test_without_a_key_it_is_round_robin() -> None:
    args = compile_key(read_template("$args"))
    assert picks(Hash(peers(1, 1, 1), args), 6, client=asker(b"/")) == "abcabc"


def test_round_robin_finds_the_needle() -> None:
    haystack = peers(65535, 1)
    haystack[0].down = True
    assert picks(Hash(haystack, URI), 3) == "bbb"


def test_nobody_is_left_when_all_were_tried() -> None:
    everyone = peers(1, 1, 1)
    assert Hash(everyone, URI).pick(everyone, Asker()) is None
