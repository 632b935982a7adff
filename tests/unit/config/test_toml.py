import pytest

from fastws.config import toml
from fastws.errors import ConfigError


def refusal(data: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        toml.parse(data, "fastws.toml")
    assert caught.value.origin == "fastws.toml"
    return str(caught.value)


def test_a_file_becomes_the_raw_form() -> None:
    raw = toml.parse(b'listeners = [":80"]\n[timeouts]\nhead = "5s"\n', "fastws.toml")
    assert raw == {"listeners": [":80"], "timeouts": {"head": "5s"}}


def test_a_syntax_error_has_its_line() -> None:
    assert "is not TOML" in refusal(b"workers = 1\nlisteners = [\n")
    assert "line 2" in refusal(b"workers = 1\nworkers 2\n")


def test_a_file_in_another_encoding_is_one_line() -> None:
    assert refusal(b'name = "\xff"').endswith("is not UTF-8: a wrong byte at offset 8")


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 100_000])
def test_a_hostile_file_is_one_line(text: str) -> None:
    assert "is not TOML" in refusal(text.encode())
