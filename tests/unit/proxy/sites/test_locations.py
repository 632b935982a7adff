import pytest
from support.sites import server

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
