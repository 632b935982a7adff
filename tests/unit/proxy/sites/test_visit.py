from contextlib import suppress
from types import SimpleNamespace

import pytest
from support.incoming import get
from support.sites import Sites, server

from fastws.config.model import compile_pattern
from fastws.errors import Reject
from fastws.proxy.decision import Forward, Reply
from fastws.proxy.sites.visit import Visit


def visit(target: str = "/") -> Visit:
    site = SimpleNamespace(action=None)
    made = Visit(get(target), site, "192.0.2.1", 50000)  # type: ignore[arg-type]
    made.read_path()
    return made


def at(site: Sites, target: str = "/") -> Visit:
    """A visit that got as far as a decision, or a refusal."""
    incoming = get(target)
    with suppress(Reject):
        site.ask(incoming)
    assert isinstance(incoming.visit, Visit)
    return incoming.visit


def test_the_path_is_decoded_when_it_is_read() -> None:
    made = visit("/a%20b//c/../d?x=%20")
    assert (made.path, made.args, made.quoted) == (b"/a b/d", b"x=%20", True)
    assert not visit("/a?%20").quoted
    with pytest.raises(Reject) as caught:
        visit("/%zz")
    assert caught.value.status == 400


def test_groups_become_variables() -> None:
    made = visit()
    assert made.matches(compile_pattern("^(?<One>.)(?<two>x)?"), b"ab")
    assert made.values == {"one": b"a", "two": b""}
    assert not made.matches(compile_pattern("^x"), b"ab")
    assert made.match is not None


def test_turns_come_to_an_end() -> None:
    made = visit()
    assert [made.turn() for _ in range(10)] == [True] * 9 + [False]


def test_a_page_takes_the_place_of_an_error_once() -> None:
    site = server(
        "error_page 502 = @other; error_page 504 /page;"
        "location / { proxy_pass http://u; } location /page { return 200 page; }"
        "location @other { proxy_pass http://u; }"
    )
    made = at(site)
    assert made.instead(500) is None
    assert isinstance(made.instead(502), Forward)
    assert made.instead(504) is None
    page = at(site).instead(504)
    assert isinstance(page, Reply)
    assert (page.status, page.body) == (504, b"page")


def test_a_page_for_plain_http_at_a_port_for_tls_is_one_for_a_400() -> None:
    site = server("error_page 400 /other; error_page 497 /page; location /page { return 200 p; }")
    page = at(site).instead(497)
    assert isinstance(page, Reply)
    assert (page.status, page.body) == (400, b"p")


def test_a_page_that_leads_nowhere_takes_no_place() -> None:
    site = server(
        "error_page 502 = @n; location / { proxy_pass http://u; } location @n { return 444; }"
    )
    assert at(site).instead(502) is None


def test_a_named_location_keeps_the_method_and_a_page_is_got() -> None:
    site = server(
        "error_page 502 = @other; error_page 504 /page;"
        "location / { proxy_pass http://u; } location @other { proxy_pass http://u; }"
    )
    for status, method, then in (
        (502, b"POST", b"POST"),
        (504, b"POST", b"GET"),
        (504, b"HEAD", b"HEAD"),
    ):
        made = at(site)
        made.method = method
        assert isinstance(made.instead(status), Forward)
        assert made.method == then


def test_an_upstream_of_a_named_location_is_not_asked_without_the_body() -> None:
    site = server(
        "error_page 502 =200 @other; error_page 504 = @text; error_page 500 /page;"
        "location / { proxy_pass http://u; } location @other { proxy_pass http://u; }"
        "location @text { return 200 text; }"
    )
    made = at(site)
    made.incoming.intact = False  # type: ignore[misc]
    assert made.instead(502) is None
    assert made.error_status is None
    for status, kind in ((504, Reply), (500, Forward)):
        made = at(site)
        made.incoming.intact = False  # type: ignore[misc]
        assert isinstance(made.instead(status), kind)


def test_errors_have_the_headers_that_are_added_always() -> None:
    site = server(
        "add_header A $status-$uri always; add_header B b;"
        "location /own { add_header C c always; proxy_pass http://u; }"
    )
    assert at(site, "/%zz").headers(400) == [(b"A", b"400-")]
    made = at(site, "/own")
    assert made.headers(502) == [(b"C", b"c")] == made.added
