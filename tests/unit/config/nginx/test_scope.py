from fastws.config.nginx.findings import Findings
from fastws.config.nginx.parser import parse
from fastws.config.nginx.scope import Scope, Site, survey


def site(text: str) -> Site:
    return survey(parse("f", text.encode(), Findings()), whole=False)


def location(text: str) -> Scope:
    """Return the innermost location of a text."""
    return next(each for each in reversed(site(text).scopes) if each.opened_by == "location")


def test_a_level_that_has_none_inherits() -> None:
    text = "proxy_set_header A a; server { location / { location /b { } } }"
    assert [each.values for each in location(text).nearest("proxy_set_header")] == [("A", "a")]


def test_a_level_that_has_one_hides_those_around_it() -> None:
    scope = location("proxy_set_header A a; server { proxy_set_header b b; location / { } }")
    assert [each.values for each in scope.nearest("proxy_set_header")] == [("b", "b")]
    assert scope.header("b") is not None
    assert scope.header("a") is None
    lost = scope.lost_header("a")
    assert lost is not None
    assert lost.values == ("A", "a")
    assert scope.lost_header("b") is None


def test_the_value_in_force() -> None:
    scope = location("server { proxy_read_timeout 5s; location / { } }")
    assert scope.value("proxy_read_timeout") == "5s"
    assert scope.value("proxy_send_timeout") == ""


def test_the_path_is_that_of_the_location_around() -> None:
    scopes = site("server { location ~* /ws { if ($a) { } } }").scopes
    assert [each.path for each in scopes] == ["", "", "/ws", "/ws"]


def test_where_websockets_are_meant() -> None:
    usual = ("/ws", "/socket.io/", "/api/websocket", "~ ^/live/(.*)$", "/notifications/hub")
    for path in usual:
        assert location(f"server {{ location {path} {{ }} }}").speaks_websocket
    for path in ("/", "/news", "/rows/", "/deliver"):
        assert not location(f"server {{ location {path} {{ }} }}").speaks_websocket
    upgrade = "proxy_set_header Upgrade $http_upgrade;"
    assert location(f"server {{ {upgrade} location / {{ }} }}").speaks_websocket
    assert not location('server { location / { proxy_set_header Upgrade ""; } }').speaks_websocket
    assert location("server { location /ws { } }").speaks_nothing_else
    assert not location("server { location /socket.io/ { } }").speaks_nothing_else


def test_a_site_knows_what_passes_requests_on() -> None:
    text = "server { location / { proxy_pass http://a; if ($b) { proxy_pass http://c; } } }"
    assert [each.values[0] for _, each in site(text).proxies] == ["http://a", "http://c"]
    assert len(site(text).all("proxy_pass")) == 2
