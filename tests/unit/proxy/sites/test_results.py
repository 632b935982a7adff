import pytest

from fastws.proxy.sites.results import body


@pytest.mark.parametrize(
    ("status", "text"), [(404, b"404 Not Found\n"), (499, b"499\n"), (204, b""), (304, b"")]
)
def test_a_status_has_a_text(status: int, text: bytes) -> None:
    assert body(status) == text
