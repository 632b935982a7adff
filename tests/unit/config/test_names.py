from ipaddress import ip_network

import pytest

from fastws.config.names import read_host, read_network, read_origin, read_path


@pytest.mark.parametrize("host", ["example.com", "*.example.com", "10.0.0.1", "[::1]", "a_b"])
def test_a_host_is_read(host: str) -> None:
    assert read_host(host.upper()) == host


@pytest.mark.parametrize(
    "host", ["", "*", "a.*", "*a.b", "a:80", "a/b", "a..b", "ü.de", "http://a", ".a", "a\n", 1]
)
def test_what_is_no_host_is_refused(host: object) -> None:
    with pytest.raises(ValueError, match="expected a"):
        read_host(host)


@pytest.mark.parametrize("path", ["/", "/ws", "/a/b%20c", "/.well-known/a.b", "/..."])
def test_a_path_is_read(path: str) -> None:
    assert read_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "ws",
        "/a?b",
        "/a#b",
        "/a b",
        "/ü",
        "/a\n",
        "/%",
        "/%zz",
        "/%00",
        "/a/..",
        "/%2E./a",
        None,
    ],
)
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(ValueError, match="expected a"):
        read_path(path)


@pytest.mark.parametrize("origin", ["https://a.com", "http://localhost:3000", "null", "app://x"])
def test_an_origin_is_read(origin: str) -> None:
    assert read_origin(origin) == origin


@pytest.mark.parametrize(
    "origin",
    ["", "*", "a.com", "https://a.com/", "https://A.com", "https://*.a.com", "https://", 1],
)
def test_what_is_no_origin_is_refused(origin: object) -> None:
    with pytest.raises(ValueError, match="expected a"):
        read_origin(origin)


@pytest.mark.parametrize("network", ["10.0.0.0/8", "127.0.0.1", "::1", "fd00::/8"])
def test_a_network_is_read(network: str) -> None:
    assert read_network(network) == ip_network(network)


@pytest.mark.parametrize("network", ["", "10.0.0.1/8", "10.0.0.0/33", "localhost", 3])
def test_what_is_no_network_is_refused(network: object) -> None:
    with pytest.raises(ValueError, match="expected a"):
        read_network(network)
