import pytest

from fastws.config.faults import Faults, did_you_mean
from fastws.errors import ConfigError, InvalidConfigError


def test_no_fault_raises_nothing() -> None:
    Faults("f.toml", {}).settle()


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "f.toml: wrong"),
        ("log", "f.toml: log: wrong"),
        ("routes[0].path", "f.toml: routes[0].path: wrong"),
        ("routes[1].path", "--set routes.1: routes[1].path: wrong"),
        ("routes[1]", "--set routes.1: wrong"),
        ("routes[11]", "f.toml: routes[11]: wrong"),
        ("workers", "--workers: wrong"),
    ],
)
def test_a_fault_names_where_it_was_written(path: str, line: str) -> None:
    faults = Faults("f.toml", {"routes[1]": "--set routes.1", "workers": "--workers"})
    faults.add(path, "wrong")
    with pytest.raises(InvalidConfigError, match="wrong") as caught:
        faults.settle()
    assert str(caught.value) == line


def test_an_error_keeps_its_parts() -> None:
    error = ConfigError("f.toml: log", "is wrong", "write it right")
    assert (error.origin, error.message, error.hint) == (
        "f.toml: log",
        "is wrong",
        "write it right",
    )
    assert str(error) == "f.toml: log: is wrong; write it right"


def test_the_nearest_word_is_suggested() -> None:
    assert did_you_mean("haed", ["head", "idle"]) == 'did you mean "head"?'
    assert did_you_mean("zzz", ["head", "idle"]) == ""
