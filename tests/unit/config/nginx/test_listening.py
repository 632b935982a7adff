from typing import Any

import pytest

from fastws.config.nginx.check import read
from fastws.config.nginx.findings import Level

PAIR = "ssl_certificate c; ssl_certificate_key k;"


def listeners(text: str) -> list[dict[str, Any]]:
    reading = read("f", text.encode())
    assert reading.errors == []
    return reading.raw["listeners"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("listen", "addresses"),
    [
        ("81", ["0.0.0.0:81"]),
        ("*:81", ["0.0.0.0:81"]),
        ("127.0.0.1:81 reuseport backlog=5", ["127.0.0.1:81"]),
        ("127.0.0.1", ["127.0.0.1:80"]),
        ("[::]:81", ["[::]:81"]),
        ("[::]:81 ipv6only=off", [":81"]),
        ("unix:/run/a.sock", ["unix:/run/a.sock"]),
        ("81-83", ["0.0.0.0:81", "0.0.0.0:82", "0.0.0.0:83"]),
    ],
)
def test_where_is_listened(listen: str, addresses: list[str]) -> None:
    found = listeners(f"server {{ listen {listen}; }}")
    assert [each["address"] for each in found] == addresses


def test_one_socket_is_enough_where_another_gets_it_all() -> None:
    found = listeners("server { listen 81; } server { listen 127.0.0.1:81; listen [::1]:81; }")
    assert [each["address"] for each in found] == ["0.0.0.0:81", "[::1]:81"]


def test_servers_with_tls_share_a_listener() -> None:
    text = (
        f"server {{ listen 443 ssl; server_name a.test; {PAIR} ssl_protocols TLSv1.1 TLSv1.3; }}"
        "server { listen 443 ssl; server_name b.test;"
        " ssl_certificate d; ssl_certificate_key e; }"
    )
    assert listeners(text) == [
        {
            "address": "wss://0.0.0.0:443",
            "tls_cert": "c",
            "tls_key": "k",
            "tls_versions": ["TLSv1.3"],
            "certificates": [{"hosts": ["b.test"], "tls_cert": "d", "tls_key": "e"}],
        }
    ]


def test_certificates_are_looked_for_beside_the_main_file() -> None:
    text = "server { listen 443 ssl; ssl_certificate c/c.pem; ssl_certificate_key /k; }"
    (found,) = read("/etc/app/f", text.encode()).raw["listeners"]
    assert (found["tls_cert"], found["tls_key"]) == ("/etc/app/c/c.pem", "/k")


def test_handshakes_for_unknown_hosts_are_refused_where_nginx_refuses_them() -> None:
    text = (
        "server { listen 443 ssl default_server; ssl_reject_handshake on; }"
        f"server {{ listen 443 ssl; server_name a.test; {PAIR} }}"
    )
    (found,) = listeners(text)
    assert found["tls_refuse_unknown"] is True
    assert (found["tls_cert"], found["certificates"][0]["hosts"]) == ("c", ["a.test"])


@pytest.mark.parametrize(
    ("listen", "fault"),
    [
        ("x:y", "is no address to listen on"),
        ("0", "is no address to listen on"),
        ("70000", "is no address to listen on"),
        ("99999999999", "is no address to listen on"),
        ("80-9000", "is no address to listen on"),
        ("80 nope", 'no parameter "nope"'),
    ],
)
def test_what_cannot_be_listened_on(listen: str, fault: str) -> None:
    errors = read("f", f"server {{ listen {listen}; }}".encode()).errors
    assert len(errors) == 1
    assert fault in errors[0].what


def test_a_proxy_header_is_expected_where_one_listen_says_so() -> None:
    text = "server { listen 81 proxy_protocol; listen 82; } server { listen 81; }"
    assert [each.get("proxy_protocol", False) for each in listeners(text)] == [True, False]
    errors = read("f", b"server { listen 81 proxy_protocol; listen 127.0.0.1:81; }").errors
    assert [each.what for each in errors] == [
        "a PROXY header is expected at 0.0.0.0:81, and not here"
    ]


def test_http2_is_taken_and_not_offered() -> None:
    findings = read("f", f"server {{ listen 443 ssl http2; {PAIR} }}".encode()).findings
    assert [each.what for each in findings if each.level is Level.NOTE] == ["http2 is not offered"]
