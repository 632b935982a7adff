import pytest
from support.incoming import Incoming
from support.sites import server


@pytest.mark.parametrize(
    ("rules", "client", "status"),
    [
        ("", "192.0.2.1", 0),
        ("deny all;", "192.0.2.1", 403),
        ("allow 192.0.2.0/24; deny all;", "192.0.2.1", 0),
        ("deny 192.0.2.1; allow all;", "192.0.2.1", 403),
        ("allow 10.0.0.0/8;", "192.0.2.1", 0),
        ("deny unix:;", "192.0.2.1", 0),
        ("deny unix:;", "", 403),
        ("deny 2001:db8::/32;", "2001:db8::1", 403),
        ("deny 192.0.2.0/24;", "2001:db8::1", 0),
    ],
)
def test_who_may_come(rules: str, client: str, status: int) -> None:
    site = server(f"location / {{ {rules} proxy_pass http://u; }}")
    incoming = Incoming("GET / HTTP/1.1\r\nHost: a\r\n\r\n", host=client)
    assert getattr(site.ask(incoming), "status", 0) == status


def test_times_and_sizes_are_nginx_s_unless_they_are_set() -> None:
    forward = server("location / { proxy_pass http://u; }").forward()
    assert forward.max_body == 1024 * 1024
    times = forward.timeouts
    assert (times.connect, times.answer, times.handshake, times.idle) == (60, 60, 60, 60)
    assert times.ping == 0
    rules = "proxy_read_timeout 1h; proxy_connect_timeout 5s; client_max_body_size 0;"
    forward = server(f"{rules} location / {{ proxy_pass http://u; }}").forward()
    assert forward.max_body == 0
    assert (forward.timeouts.connect, forward.timeouts.idle) == (5, 3600)


def test_the_balancer_is_told_of_the_visit() -> None:
    forward = server("location / { proxy_pass http://u; }").forward("/x")
    assert forward.client is not None
    assert forward.client.host == "192.0.2.1"
