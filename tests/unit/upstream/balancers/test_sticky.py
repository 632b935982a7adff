from __future__ import annotations

from email.utils import parsedate_to_datetime
from hashlib import md5
from time import time
from typing import TYPE_CHECKING

from support.upstreams import Asker, asker, peers, picks

from fastws.config.balance import read_balance
from fastws.upstream.balancers.round_robin import RoundRobin
from fastws.upstream.balancers.sticky import Sticky, field

if TYPE_CHECKING:
    from fastws.upstream.peer import Peer


def cookie_of(peer: Peer) -> str:
    return md5(str(peer).encode()).hexdigest()


def holder(cookie: str) -> Asker:
    return asker(b"/", (b"Cookie", f"a=b; id={cookie}; c=d".encode()))


def test_a_client_without_a_cookie_gets_any() -> None:
    everyone = peers(1, 1, 1)
    balancer = Sticky(everyone, RoundRobin(everyone), "id")
    assert picks(balancer, 6) == "abcabc"
    assert picks(balancer, 3, client=holder("unknown")) == "abc"


def test_a_client_stays_and_others_keep_their_turns() -> None:
    everyone = peers(1, 1, 1)
    balancer = Sticky(everyone, RoundRobin(everyone), "id")
    assert picks(balancer, 1) == "a"
    assert picks(balancer, 5, client=holder(cookie_of(everyone[0]))) == "aaaaa"
    assert picks(balancer, 2) == "bc"


def test_who_is_gone_is_not_waited_for() -> None:
    a, b, c = everyone = peers(1, 1, 1)
    balancer = Sticky(everyone, RoundRobin(everyone), "id")
    client = holder(cookie_of(a))
    assert picks(balancer, 2, a, client=client) == "bc"
    a.down = True
    assert set(picks(balancer, 4, client=client)) == {"b", "c"}
    assert picks(balancer, 1, a, b, c, client=client) == ""


def config(text: str) -> bytes:
    (peer,) = peers(1)
    sticky = read_balance(text).sticky
    assert sticky
    return field(peer, sticky).replace(cookie_of(peer).encode(), b"A")


def test_the_field_names_the_peer() -> None:
    assert config("sticky cookie id") == b"Set-Cookie: id=A\r\n"


def test_the_field_has_all_that_was_written() -> None:
    line = config("sticky cookie id samesite=lax path=/ secure httponly domain=a.test")
    assert line == (b"Set-Cookie: id=A; domain=a.test; httponly; secure; samesite=lax; path=/\r\n")


def test_a_cookie_expires() -> None:
    line = config("sticky cookie id expires=1h path=/x").decode()
    value, expires, age, path = line.split("; ")
    assert (value, age, path) == ("Set-Cookie: id=A", "max-age=3600", "path=/x\r\n")
    date = parsedate_to_datetime(expires.removeprefix("expires="))
    assert abs(date.timestamp() - time() - 3600) < 60
    assert "max-age=315360000" in config("sticky cookie id expires=max").decode()
