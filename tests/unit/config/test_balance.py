from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.config.balance import Balance, Sticky, read_balance
from fastws.config.template import Part

URI = (Part(name="uri"),)


@pytest.mark.parametrize(
    ("text", "balance"),
    [
        ("round_robin", Balance()),
        (" least_conn ; ", Balance(method="least_conn")),
        ("ip_hash", Balance(method="ip_hash")),
        ("hash $uri", Balance(method="hash", key=URI)),
        ("hash  $uri   consistent", Balance(method="consistent_hash", key=URI)),
        ('hash "$uri" consistent', Balance(method="consistent_hash", key=URI)),
        ("hash 'a $uri'", Balance(method="hash", key=(Part(text="a "), *URI))),
        (r'hash "a\";b"', Balance(method="hash", key=(Part(text='a";b'),))),
        ("random", Balance(method="random")),
        ("random two", Balance(method="random_two")),
        ("random two least_conn;", Balance(method="random_two")),
        ("sticky cookie id", Balance(sticky=Sticky(name="id"))),
        ("sticky cookie id; ip_hash", Balance(method="ip_hash", sticky=Sticky(name="id"))),
        ("ip_hash; sticky cookie id", Balance(method="ip_hash", sticky=Sticky(name="id"))),
    ],
)
def test_a_method_is_written_as_in_nginx(text: str, balance: Balance) -> None:
    assert read_balance(text) == balance


@pytest.mark.parametrize(
    ("parameters", "sticky"),
    [
        ("expires=1h", Sticky(name="id", expires=3600)),
        ("expires=90", Sticky(name="id", expires=90)),
        ("expires=max", Sticky(name="id", expires=315360000)),
        ("secure httponly", Sticky(name="id", attributes="; httponly; secure")),
        (
            "path=/a samesite=none domain=.a.test",
            Sticky(name="id", attributes="; domain=.a.test; samesite=none; path=/a"),
        ),
    ],
)
def test_a_cookie_has_parameters(parameters: str, sticky: Sticky) -> None:
    assert read_balance(f"sticky cookie id {parameters}").sticky == sticky


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", 'expected a method such as "least_conn", got ""'),
        (" ; ", 'expected a method such as "least_conn", got " ; "'),
        (3, 'expected a method such as "least_conn", got 3'),
        ("least_con", 'there is no method "least_con"; did you mean "least_conn"?'),
        ("zzz", 'there is no method "zzz"; there are round_robin, least_conn,'),
        ("round_robin fast", "expected round_robin without parameters, got"),
        ("least_conn 3", "expected least_conn without parameters, got"),
        ("ip_hash a", "expected ip_hash without parameters, got"),
        ("hash", 'expected hash KEY [consistent], got "hash"'),
        ("hash $uri consistant", "expected hash KEY [consistent], got"),
        ("hash $uri consistent 3", "expected hash KEY [consistent], got"),
        ('hash ""', "expected a key such as $remote_addr"),
        ('hash "$uri', "there is a quote too many, or one is missing"),
        ("random three", "expected random [two [least_conn]], got"),
        ("random two least_time=header", "least_time comes with a later version"),
        ("least_time header", "least_time comes with a later version"),
        ("least_conn; ip_hash", "ip_hash is one too many"),
        ("sticky cookie a; sticky cookie b", "sticky is one too many"),
        ("sticky", "expected sticky cookie NAME"),
        ("sticky cookie", "expected sticky cookie NAME"),
        ("sticky cookie a=b", "expected sticky cookie NAME"),
        ("sticky cookie a foo", "expected sticky cookie NAME"),
        ("sticky cookie a samesite=foo", "expected sticky cookie NAME"),
        ("sticky cookie a secure=1", "expected sticky cookie NAME"),
        ("sticky cookie a path=", "expected sticky cookie NAME"),
        ('sticky cookie a "path=/;b"', "expected sticky cookie NAME"),
        ("sticky cookie a secure secure", "expected each parameter of sticky once"),
        ("sticky cookie a expires=x", 'expected a time such as 15, "15s" or "500ms", got "x"'),
        ("sticky cookie a expires=", 'expected a time such as 15, "15s" or "500ms", got ""'),
        ("sticky route $uri", "sticky route comes with a later version"),
        ("sticky learn create=$uri", "sticky learn comes with a later version"),
    ],
)
def test_a_wrong_method_is_named(text: object, fault: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read_balance(text)
    assert str(caught.value).startswith(fault)


words = st.sampled_from(["hash", "$uri", "sticky", "cookie", "a", '"', "'", ";", "\\", " ", "\n"])


@given(st.lists(words).map("".join) | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert read_balance(text).method
