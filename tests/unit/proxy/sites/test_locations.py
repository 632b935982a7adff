import pytest
from support.incoming import Incoming
from support.sites import server

from fastws.proxy.decision import Forward, Reply

SITE = server(
    """
    location / { return 200 root; }
    location = /e { return 200 exact; }
    location /e { return 200 prefix; }
    location /long/er { return 200 longer; }
    location /long { return 200 long; }
    location ^~ /first { return 200 first; }
    location ~ \\.x$ { return 200 x; }
    location ~* \\.Y$ { return 200 y; }
    location ~ \\.xx?$ { return 200 never; }
    location /in {
        return 200 in;
        location = /in/a { return 200 a; }
        location ~ q { return 200 q; }
    }
    location /slash/ { proxy_pass http://u; }
    location /other/ { return 200 other; }
    location /hidden { internal; return 200 hidden; }
    location /go { rewrite ^ /hidden last; }
    location /m { limit_except GET { deny all; } return 200 m; }
    location /mm { limit_except GET { proxy_pass http://u; } rewrite ^ /hidden last; }
    """
)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/", "root"),
        ("/e", "exact"),
        ("/ee", "prefix"),
        ("/longer", "long"),
        ("/long/er", "longer"),
        ("/first.x", "first"),
        ("/e.x", "x"),
        ("/e.y", "y"),
        ("/e%2Ex", "x"),
        ("/in/a", "a"),
        ("/in/b", "in"),
        ("/in/q.x", "q"),
        ("/in/b.x", "x"),
        ("/other", "root"),
        ("/go", "hidden"),
    ],
)
def test_which_location_it_is(target: str, text: str) -> None:
    assert SITE.text(target) == text


def test_a_missing_slash_is_put_where_requests_are_passed_on() -> None:
    reply = SITE.reply("/slash?a=1")
    assert reply.status == 301
    assert dict(reply.headers)[b"Location"] == b"http://a.test/slash/?a=1"


def test_an_internal_location_is_not_there_for_clients() -> None:
    assert SITE.refusal("/hidden") == 404


def test_other_methods_have_an_action_and_no_steps() -> None:
    def ask(method: str, target: str) -> Forward | Reply:
        return SITE.ask(Incoming(f"{method} {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"))

    assert [ask(method, "/m").status for method in ("GET", "HEAD", "POST")] == [200, 200, 403]  # type: ignore[union-attr]
    assert isinstance(ask("GET", "/mm"), Reply)
    passed = ask("PUT", "/mm")
    assert isinstance(passed, Forward)
    assert passed.target is None
