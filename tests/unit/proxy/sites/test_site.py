import pytest
from support.sites import Sites, server

from fastws.config.model import Limits
from fastws.errors import Reject
from fastws.protocol.head import ResponseHead


def header(site: object, name: bytes, target: str = "/", **options: object) -> bytes:
    return dict(site.reply(target, **options).headers)[name]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("rules", "options", "location"),
    [
        ("", {}, b"http://a.test/x"),
        ("", {"tls": True}, b"https://a.test:80/x"),
        ("", {"listener": ("127.0.0.1", 8080)}, b"http://a.test:8080/x"),
        ("port_in_redirect off;", {"listener": ("127.0.0.1", 8080)}, b"http://a.test/x"),
        ("absolute_redirect off;", {}, b"/x"),
        ("server_name_in_redirect on; server_name s.test;", {}, b"http://s.test/x"),
    ],
)
def test_the_address_of_a_redirect(rules: str, options: dict[str, object], location: bytes) -> None:
    assert header(server(f"{rules} return 302 /x;"), b"Location", **options) == location


def test_what_serves_no_files_says_404() -> None:
    assert server("location / { }").refusal() == 404
    assert server("").refusal() == 404


def test_try_files_goes_to_its_last() -> None:
    site = server(
        "location / { try_files $uri @b; } location @b { return 200 b; }"
        "location /code { try_files x =410; } location /path { try_files x /code; }"
    )
    assert site.text() == "b"
    assert site.refusal("/code") == 410
    assert site.refusal("/path") == 410


@pytest.mark.parametrize(
    ("page", "status", "body"),
    [
        ("error_page 404 /p;", 404, b"p"),
        ("error_page 404 = /p;", 200, b"p"),
        ("error_page 404 =410 /p;", 410, b"p"),
        ("error_page 404 = @n;", 200, b"n"),
        ("error_page 500 /p;", 404, b"404 Not Found\n"),
        ("error_page 404 http://e.test/;", 302, b"302 Found\n"),
        ("error_page 404 =301 http://e.test/;", 301, b"301 Moved Permanently\n"),
        ("error_page 404 /again;", 404, b"404 Not Found\n"),
        ("error_page 404 @moved;", 302, b"302 Found\n"),
        ("error_page 404 =200 @denied;", 403, b"403 Forbidden\n"),
    ],
)
def test_where_an_error_leads(page: str, status: int, body: bytes) -> None:
    site = server(
        f"{page} location / {{ return 404; }} location /p {{ return 200 p; }}"
        "location @n { return 200 n; } location @moved { return 302 /there; }"
        "location @denied { return 403; }"
    )
    reply = site.reply()
    assert (reply.status, reply.body) == (status, body)


def test_an_answer_without_a_body_has_no_type() -> None:
    assert server("return 204;").reply().headers == ()


def test_a_client_that_is_not_worth_an_answer_gets_none() -> None:
    assert server("return 444;").refusal() == 444


SLOW = "/" + "x" * 5000


@pytest.mark.parametrize(
    "inside",
    [
        "location ~ ^/(x+x+)+y { return 204; }",
        "location / { rewrite ^/(x+x+)+y /z; return 204; }",
        "location / { if ($uri ~ ^/(x+x+)+y) { return 204; } }",
    ],
)
def test_a_pattern_that_takes_too_long_is_an_error(inside: str) -> None:
    with pytest.raises(Reject, match="took longer than") as caught:
        server(inside).reply(SLOW)
    assert caught.value.status == 500
    assert "(x+x+)+y" not in caught.value.told


def test_a_map_whose_pattern_takes_too_long_has_its_default() -> None:
    text = "map $uri $kind { default none; ~^/(x+x+)+y some; }"
    sites = Sites(f"{text} server {{ listen 80; return 200 $kind; }}")
    assert sites.text(SLOW) == "none"


def test_an_answer_goes_on_as_it_is_where_a_pattern_takes_too_long() -> None:
    forward = server("location / { proxy_pass http://u; proxy_redirect ~(x+x+)+y /z; }").forward()
    assert forward.answer is not None
    head = ResponseHead(Limits())
    head.feed(f"HTTP/1.1 302 Found\r\nLocation: /{SLOW}\r\n\r\n".encode())
    assert forward.answer.edit(head)[1].isdisjoint({b"location"})
