import pytest

from fastws.protocol.host import host_name


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"example.com", b"example.com"),
        (b"Example.COM:8080", b"example.com"),
        (b"example.com.", b"example.com"),
        (b"example.com.:80", b"example.com"),
        (b"[::1]", b"[::1]"),
        (b"[2001:DB8::1]:443", b"[2001:db8::1]"),
        (b"", b""),
    ],
)
def test_a_name_is_without_case_port_and_final_dot(host: bytes, name: bytes) -> None:
    assert host_name(host) == name
