import pytest
from support.incoming import get
from support.sites import server

from fastws.protocol.proxy_header import ProxyHeader
from fastws.proxy.decision import Reply

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


ENDS = 'return 200 "$remote_addr $remote_port $realip_remote_addr $realip_remote_port";'


@pytest.mark.parametrize(
    ("rules", "headers", "ends"),
    [
        ("", (), "192.0.2.1 50000 192.0.2.1 50000"),
        (TRUSTED, ("X-Real-IP: 198.51.100.1",), "198.51.100.1  192.0.2.1 50000"),
        (TRUSTED, ("X-Real-IP: 198.51.100.1:80",), "198.51.100.1 80 192.0.2.1 50000"),
        (TRUSTED, ("X-Real-IP: [2001:db8::1]:80",), "2001:db8::1 80 192.0.2.1 50000"),
        (TRUSTED, ("X-Real-IP: 2001:db8::1",), "2001:db8::1  192.0.2.1 50000"),
    ],
)
def test_a_port_is_known_where_it_is_written(
    rules: str, headers: tuple[str, ...], ends: str
) -> None:
    assert server(f"{rules} {ENDS}").text("/", *headers) == ends


@pytest.mark.parametrize(
    ("rules", "header", "ends"),
    [
        ("", b"PROXY TCP4 198.51.100.1 198.51.100.2 9 80\r\n", "192.0.2.1 50000"),
        (TRUSTED, b"PROXY TCP4 198.51.100.1 198.51.100.2 9 80\r\n", "198.51.100.1 9"),
        (TRUSTED, b"PROXY UNKNOWN\r\n", "192.0.2.1 50000"),
        (TRUSTED, b"", "192.0.2.1 50000"),
        (
            "set_real_ip_from 203.0.113.1;",
            b"PROXY TCP4 198.51.100.1 198.51.100.2 9 80\r\n",
            "192.0.2.1 50000",
        ),
    ],
)
def test_the_proxy_header_of_a_connection(rules: str, header: bytes, ends: str) -> None:
    incoming = get()
    if header:
        incoming.downstream.announced = ProxyHeader()
        incoming.downstream.announced.feed(header)
    sites = server(
        f'real_ip_header proxy_protocol; {rules} return 200 "$remote_addr $remote_port";'
    )
    reply = sites.ask(incoming)
    assert isinstance(reply, Reply)
    assert reply.body.decode() == ends
