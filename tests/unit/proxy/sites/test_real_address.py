import pytest
from support.sites import server

TRUSTED = "set_real_ip_from 192.0.2.1; set_real_ip_from 10.0.0.0/8;"


@pytest.mark.parametrize(
    ("rules", "headers", "client"),
    [
        ("", ("X-Real-IP: 198.51.100.1",), "192.0.2.1"),
        (TRUSTED, ("X-Real-IP: 198.51.100.1",), "198.51.100.1"),
        (TRUSTED, (), "192.0.2.1"),
        (TRUSTED, ("X-Real-IP: nonsense",), "192.0.2.1"),
        ("set_real_ip_from 203.0.113.0/24;", ("X-Real-IP: 198.51.100.1",), "192.0.2.1"),
        (
            f"{TRUSTED} real_ip_header X-Forwarded-For;",
            ("X-Forwarded-For: 198.51.100.1, 10.0.0.1",),
            "10.0.0.1",
        ),
        (
            f"{TRUSTED} real_ip_header X-Forwarded-For; real_ip_recursive on;",
            ("X-Forwarded-For: 198.51.100.2, 198.51.100.1", "X-Forwarded-For: 10.0.0.1"),
            "198.51.100.1",
        ),
        (f"{TRUSTED}", ("X-Real-IP: [2001:db8::1]:80",), "2001:db8::1"),
        (f"{TRUSTED}", ("X-Real-IP: 198.51.100.1:80",), "198.51.100.1"),
    ],
)
def test_whose_address_it_is(rules: str, headers: tuple[str, ...], client: str) -> None:
    assert server(f'{rules} return 200 "$remote_addr";').text("/", *headers) == client
