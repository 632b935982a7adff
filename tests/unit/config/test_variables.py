import pytest

from fastws.config.variables import is_of_keys, is_of_sites


@pytest.mark.parametrize(
    ("name", "of_keys", "of_sites"),
    [
        ("uri", True, True),
        ("arg_x", True, True),
        ("arg_", False, False),
        ("scheme", False, True),
        ("1", False, True),
        ("10", False, False),
        ("upstream_http_x", False, True),
        ("nope", False, False),
    ],
)
def test_which_variables_there_are(name: str, of_keys: bool, of_sites: bool) -> None:  # noqa: FBT001
    assert (is_of_keys(name), is_of_sites(name)) == (of_keys, of_sites)
