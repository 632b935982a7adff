from __future__ import annotations

import pytest

from fastws.config import model
from fastws.protocol.target import normal_path
from fastws.proxy.routes import Route, RouteTable
from fastws.upstream.group import Upstream


def table(*routes: dict[str, object], **config: object) -> RouteTable:
    """Make a table whose routes are named by their upstreams: 0, 1, 2, in the order given."""
    written = tuple(
        model.Route(upstream=str(number), **fields)  # type: ignore[arg-type]
        for number, fields in enumerate(routes)
    )
    upstreams = {route.upstream: Upstream(model.Upstream(name=route.upstream)) for route in written}
    return RouteTable(model.Config(routes=written, **config), upstreams)  # type: ignore[arg-type]


def found(routes: RouteTable, host: bytes, target: bytes = b"/") -> str | None:
    route = routes.match(host, normal_path(target))
    return route and route.forward.upstream.name


def one(**fields: object) -> Route:
    route = table(fields).match(b"", str(fields.get("path", "/")).encode())
    assert route is not None
    return route


HOSTS = table(
    {"hosts": ("*.example.com",)},
    {},
    {"hosts": ("chat.example.com", "[2001:db8::1]")},
    {"hosts": ("*.b.example.com",)},
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"chat.example.com", "2"),
        (b"chat.example.com:8080", "2"),
        (b"CHAT.Example.COM", "2"),
        (b"chat.example.com.", "2"),
        (b"chat.example.com.:443", "2"),
        (b"other.example.com", "0"),
        (b"Other.Example.com:1", "0"),
        (b"x.y.example.com", "0"),
        (b"a.b.example.com", "3"),
        (b"b.example.com", "0"),
        (b"example.com", "1"),
        (b"notexample.com", "1"),
        (b"chat.example.com.evil.test", "1"),
        (b"[2001:db8::1]", "2"),
        (b"[2001:db8::1]:8080", "2"),
        (b"[2001:db8::2]", "1"),
        (b"127.0.0.1:8080", "1"),
        (b"", "1"),
    ],
)
def test_the_host_chooses(host: bytes, expected: str) -> None:
    assert found(HOSTS, host) == expected


def test_an_ipv6_host_is_compared_without_case() -> None:
    assert found(HOSTS, b"[2001:DB8::1]:80") == "2"


def test_an_unknown_host_has_no_route() -> None:
    assert found(table({"hosts": ("a.test",)}), b"b.test") is None


PATHS = table({"path": "/"}, {"path": "/chat"}, {"path": "/chat/room"}, {"path": "/files/"})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", "0"),
        (b"/other", "0"),
        (b"/chat", "1"),
        (b"/chat?room=1", "1"),
        (b"/chat/", "1"),
        (b"/chat/x", "1"),
        (b"/chatter", "0"),
        (b"/Chat", "0"),
        (b"/chat/room", "2"),
        (b"/chat/room/7", "2"),
        (b"/chat/rooms", "1"),
        (b"/files", "0"),
        (b"/files/", "3"),
        (b"/files/a", "3"),
        # what an upstream would serve counts, not how it is written
        (b"/%63hat", "1"),
        (b"//chat", "1"),
        (b"/x/../chat", "1"),
        (b"/chat/../other", "0"),
        (b"/chat/%2e%2e/other", "0"),
        (b"/chat/./room", "2"),
        (b"/chat/room/..", "1"),
    ],
)
def test_the_longest_path_wins_at_a_segment_boundary(target: bytes, expected: str) -> None:
    assert found(PATHS, b"any.test", target) == expected


def test_a_path_outside_all_prefixes_has_no_route() -> None:
    assert found(table({"path": "/chat"}), b"", b"/other") is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_in_the_file_does_not_count(order: tuple[int, ...]) -> None:
    routes: list[dict[str, object]] = [{"path": "/"}, {"path": "/a"}, {"path": "/a/b"}]
    shuffled = table(*(routes[number] for number in order))
    assert found(shuffled, b"", b"/a/b/c") == str(order.index(2))
    assert found(shuffled, b"", b"/a/c") == str(order.index(1))


def test_a_host_that_serves_the_path_nowhere_falls_back() -> None:
    routes = table({"hosts": ("a.test",), "path": "/chat"}, {"hosts": ("*.test",)}, {"path": "/x"})
    assert found(routes, b"a.test", b"/chat/1") == "0"
    assert found(routes, b"a.test", b"/x") == "1"
    assert found(routes, b"b.other", b"/x") == "2"


def test_a_percent_encoded_prefix_is_compared_decoded() -> None:
    assert found(table({"path": "/caf%C3%A9"}), b"", b"/caf%c3%a9/1") == "0"


class TestOrigins:
    def test_all_may_connect_without_a_list(self) -> None:
        assert one().allows(b"https://evil.test")

    @pytest.mark.parametrize(
        ("origin", "allowed"),
        [
            (b"https://app.test", True),
            (None, True),
            (b"http://app.test", False),
            (b"https://app.test:8443", False),
            (b"https://app.test.evil.test", False),
            (b"https://APP.test", False),
            (b"null", False),
            (b"", False),
        ],
    )
    def test_a_list_is_compared_exactly(self, origin: bytes | None, allowed: bool) -> None:  # noqa: FBT001
        assert one(allowed_origins=("https://app.test",)).allows(origin) is allowed


def test_rules_come_from_the_route_and_the_config() -> None:
    routes = table(
        {"max_message": 9, "validate_utf8": True},
        limits=model.Limits(queued_bytes=4096),
        timeouts=model.Timeouts(idle=1.5, stall=2.5, close=3.5, linger=4.5, ping=5.5),
    )
    route = routes.match(b"", b"/")
    assert route is not None
    rules = route.forward.rules
    assert (rules.max_message, rules.validate_utf8, rules.queued_bytes) == (9, True, 4096)
    times = (rules.idle, rules.stall, rules.close, rules.linger, rules.ping)
    assert times == (1.5, 2.5, 3.5, 4.5, 5.5)
