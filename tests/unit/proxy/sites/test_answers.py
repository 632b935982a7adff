import pytest
from support.sites import server

from fastws.config.model import Limits
from fastws.protocol.head import ResponseHead
from fastws.proxy.decision import Reply


def answer(*headers: str, status: int = 200) -> ResponseHead:
    head = ResponseHead(Limits())
    head.feed("\r\n".join([f"HTTP/1.1 {status} X", *headers, "", ""]).encode())
    return head


def edited(rules: str, head: ResponseHead, target: str = "/") -> tuple[list[str], set[bytes]]:
    decision = server(f"location / {{ proxy_pass http://u/in/; {rules} }}").forward(target)
    assert decision.answer is not None
    lines, hidden = decision.answer.edit(head)
    return lines.decode().split("\r\n")[:-1], set(hidden)


@pytest.mark.parametrize(
    ("status", "lines"),
    [(200, ["A: 1", "B: 2"]), (404, ["B: 2"]), (101, ["B: 2"]), (302, ["A: 1", "B: 2"])],
)
def test_headers_are_added_by_status(status: int, lines: list[str]) -> None:
    rules = "add_header A 1; add_header B 2 always; add_header C $arg_c;"
    assert edited(rules, answer(status=status))[0] == lines


def test_headers_of_the_upstream_are_hidden() -> None:
    hidden = edited("proxy_hide_header X-Secret;", answer())[1]
    assert {b"x-secret", b"server", b"x-accel-redirect"} <= hidden
    assert b"server" not in edited("proxy_pass_header Server;", answer())[1]


@pytest.mark.parametrize(
    ("rules", "location", "line"),
    [
        ("", "http://u/in/x", "Location: http://a.test/x"),
        ("proxy_redirect off;", "http://u/in/x", None),
        ("", "http://elsewhere/x", None),
        ("proxy_redirect http://u/ https://$host/;", "http://u/x", "Location: https://a.test/x"),
        (
            "proxy_redirect ~^http://u/(.)(.*)$ /$1-$2;",
            "http://u/xyz",
            "Location: http://a.test/x-yz",
        ),
    ],
)
def test_a_location_is_rewritten(rules: str, location: str, line: str | None) -> None:
    lines, hidden = edited(rules, answer(f"Location: {location}", status=302))
    assert lines == ([line] if line else [])
    assert (b"location" in hidden) == bool(line)


def test_cookies_are_rewritten_each() -> None:
    rules = "proxy_cookie_domain u $host; proxy_cookie_path /in/ /;"
    cookies = ("Set-Cookie: a=1; Domain=u; path=/in/x; Secure", "Set-Cookie: b=2")
    lines, hidden = edited(rules, answer(*cookies))
    assert lines == ["Set-Cookie: a=1; Domain=a.test; path=/x; Secure", "Set-Cookie: b=2"]
    assert b"set-cookie" in hidden


def test_errors_lead_to_pages_only_where_they_are_intercepted() -> None:
    site = server(
        "error_page 404 /page;"
        "location / { proxy_pass http://u; } location /page { return 200 page; }"
        "location /all { proxy_intercept_errors on; proxy_pass http://u; }"
    )
    quiet = site.forward("/").answer
    assert quiet is not None
    assert quiet.intercept(404) is None
    loud = site.forward("/all").answer
    assert loud is not None
    page = loud.intercept(404)
    assert isinstance(page, Reply)
    assert (page.status, page.body) == (404, b"page")


def test_the_status_of_an_error_stays_unless_a_body_would_be_lost() -> None:
    site = server(
        "error_page 404 @a; location / { return 404; } location @a { proxy_pass http://u; }"
    )
    decided = site.forward().answer
    assert decided is not None
    decided.edit(answer(status=200))
    assert decided.status == 404
    decided.edit(answer(status=204))
    assert decided.status is None
