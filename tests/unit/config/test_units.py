import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.config.units import (
    read_positive_seconds,
    read_positive_size,
    read_seconds,
    read_size,
    read_workers,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0),
        (15, 15),
        (0.25, 0.25),
        ("15", 15),
        ("500ms", 0.5),
        ("15s", 15),
        ("1.5s", 1.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1d", 86400),
        ("2w", 1209600),
    ],
)
def test_a_time_is_read(written: object, seconds: float) -> None:
    assert read_seconds(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "m",
        "5x",
        "-1s",
        "+1s",
        "1m1h",
        "1 s",
        "5S",
        "٣s",
        "1e3",
        "1s\n",
        True,
        None,
        [],
        {},
    ],
)
def test_what_is_no_time_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected a time such as"):
        read_seconds(written)


@pytest.mark.parametrize(
    "written", [-1, -0.001, math.nan, math.inf, -math.inf, 10**400, -(10**400), "9999w", "9" * 400]
)
def test_an_absurd_time_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="between 0 and ten years"):
        read_seconds(written)


@given(
    st.integers(0, 99),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 999),
)
def test_a_time_in_all_its_units_adds_up(d: int, h: int, m: int, s: int, ms: int) -> None:
    total = ((d * 24 + h) * 60 + m) * 60 + s + ms / 1000
    assert read_seconds(f"{d}d{h}h{m}m{s}s{ms}ms") == pytest.approx(total)


@given(st.text() | st.floats() | st.integers())
def test_a_time_is_read_or_refused_and_never_negative(written: object) -> None:
    try:
        seconds = read_seconds(written)
    except ValueError:
        return
    assert 0 <= seconds < math.inf


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (65536, 65536),
        ("512", 512),
        ("64k", 65536),
        ("64K", 65536),
        ("64KiB", 65536),
        ("1m", 1048576),
        ("2 MiB", 2097152),
        ("1g", 1073741824),
    ],
)
def test_a_size_is_read(written: object, size: int) -> None:
    assert read_size(written) == size


@pytest.mark.parametrize(
    "written", ["", "k", "64kb", "1.5m", "1t", "-1", "9" * 5000, True, 1.0, None, []]
)
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as"):
        read_size(written)


@pytest.mark.parametrize(
    "written", [-1, 2**63, pytest.param(1 << 99_999, id="huge"), "9999999999g"]
)
def test_an_absurd_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="between 0 and 2"):
        read_size(written)


@pytest.mark.parametrize("written", [0, 0.0, "0", "0s", "0h0m"])
def test_zero_is_no_positive_time(written: object) -> None:
    with pytest.raises(ValueError, match="above 0"):
        read_positive_seconds(written)


@pytest.mark.parametrize("written", [0, "0", "0k"])
def test_zero_is_no_positive_size(written: object) -> None:
    with pytest.raises(ValueError, match="above 0"):
        read_positive_size(written)


def test_what_is_above_zero_is_positive() -> None:
    assert read_positive_seconds("1ms") == 0.001
    assert read_positive_size(1) == 1


def test_workers_are_a_number_or_one_for_each_core() -> None:
    assert [read_workers(each) for each in (1, 8, "auto")] == [1, 8, 0]


@pytest.mark.parametrize("written", [0, -1, True, 1.0, "1", "", None])
def test_what_is_no_number_of_workers_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match='expected "auto" or a whole number >= 1, got'):
        read_workers(written)
