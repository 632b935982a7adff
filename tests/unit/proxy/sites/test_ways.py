import pytest
from support.sites import Sites, server


@pytest.mark.parametrize(
    ("location", "target", "seen"),
    [
        ("/ { proxy_pass http://u; }", "/x%2Fy//z?q", None),
        ("/a/ { proxy_pass http://u/b/; }", "/a/x%20y?q=1", b"/b/x%20y?q=1"),
        ("/a { proxy_pass http://u/b; }", "/abc", b"/bbc"),
        ("= /a { proxy_pass http://u/b; }", "/a?q", b"/b?q"),
        ("/ { proxy_pass http://u$request_uri; }", "/a%20b?q", b"/a%20b?q"),
        ("~ ^/a/(.*) { proxy_pass http://u/$1; }", "/a/x?q", b"/x"),
        ("/ { proxy_pass http://u?a=$arg_b; }", "/x?b=1", b"/?a=1"),
    ],
)
def test_the_target(location: str, target: str, seen: bytes | None) -> None:
    assert server(f"location {location}").forward(target).target == seen


@pytest.mark.parametrize(
    ("url", "address", "host"),
    [
        ("http://u", "127.0.0.1:1", "u"),
        ("http://Example.test", "example.test:80", "Example.test"),
        ("https://[::1]:8443/x", "[::1]:8443", "[::1]:8443"),
        ("http://unix:/run/x.sock:/y", "unix:/run/x.sock", "localhost"),
        ("https://h:443", "h:443", "h"),
    ],
)
def test_a_url_with_variables_leads_to_an_upstream_or_a_host(
    url: str, address: str, host: str
) -> None:
    site = server(f"location / {{ set $url {url}; proxy_pass $url; }}")
    forward = site.forward()
    assert [str(peer) for peer in forward.upstream.peers] == [address]
    assert site.lines() == [f"Host: {host}"]
    assert site.forward().upstream is forward.upstream


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://a b", "http://a:99999", "x"])
def test_a_url_that_is_none_is_a_500(url: str) -> None:
    assert server(f'location / {{ set $url "{url}"; proxy_pass $url; }}').refusal() == 500


def test_hosts_that_requests_name_have_a_limit() -> None:
    site = server("location / { proxy_pass http://$arg_h; }")
    for number in range(1000):
        site.forward(f"/?h=h{number}")
    assert site.refusal("/?h=onemore") == 502
    assert site.forward("/?h=h1")


def test_an_upstream_may_be_used_over_tls_too() -> None:
    site = Sites(
        "server { listen 80; location / { proxy_pass http://u; }"
        " location /s { proxy_pass https://u; } }"
    )
    plain, secret = site.forward("/").upstream, site.forward("/s").upstream
    assert (plain.peers[0].tls, bool(secret.peers[0].tls)) == (None, True)
