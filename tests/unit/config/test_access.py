import pytest

from fastws.config.access import read_access


@pytest.mark.parametrize(
    "text", ["allow all", "deny unix:", "allow 10.0.0.0/8", "deny 192.0.2.1/32", "deny ::1/128"]
)
def test_what_is_read_is_written_alike(text: str) -> None:
    assert str(read_access(text)) == text


def test_bits_of_a_host_do_not_count() -> None:
    assert str(read_access("deny 10.1.2.3/8")) == "deny 10.0.0.0/8"


@pytest.mark.parametrize("value", ["allow", "permit all", "deny x", "deny 1.2.3.4 5.6.7.8", 5, ""])
def test_anything_else_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_access(value)
