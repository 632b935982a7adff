"""Durations and sizes, as nginx writes them.

See https://nginx.org/en/docs/syntax.html.
"""

import math
import re

from fastws.config.expected import expected

# In the order in which nginx wants them. Months and years are left out: no timeout is that long.
_SECONDS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}

_DURATION = re.compile(
    " *".join(rf"(?:(\d+(?:\.\d+)?){unit}(?![a-z]))?" for unit in _SECONDS), re.ASCII
)
_SIZE = re.compile(r"(\d+)\s*(?:([kmg])(?:ib)?)?", re.ASCII | re.IGNORECASE)

_LONGEST = 3650 * 86400.0
_LARGEST = 2**63 - 1


def read_seconds(value: object) -> float:
    """Return the seconds that a number, or a text such as ``"1h30m"`` or ``"500ms"``, stands for.

    A number without a unit is in seconds. Raises ValueError.
    """
    seconds = _parse_seconds(value)
    if seconds is None:
        raise expected('a time such as 15, "15s" or "500ms"', value)
    if not 0 <= seconds <= _LONGEST:  # NaN is not between anything
        raise expected("a time between 0 and ten years", value)
    return seconds


def read_positive_seconds(value: object) -> float:
    """Read as `read_seconds` does, but refuse zero."""
    seconds = read_seconds(value)
    if seconds == 0:
        raise expected("a time above 0", value)
    return seconds


def read_size(value: object) -> int:
    """Return the bytes that a number, or a text such as ``"64k"`` or ``"1MiB"``, stands for.

    The units are powers of 1024, as in nginx. Raises ValueError.
    """
    size = _parse_size(value)
    if size is None:
        raise expected('a size such as 65536, "64k" or "1m"', value)
    if not 0 <= size <= _LARGEST:
        raise expected("a size between 0 and 2^63 - 1 bytes", value)
    return size


def read_positive_size(value: object) -> int:
    """Read as `read_size` does, but refuse zero."""
    size = read_size(value)
    if size == 0:
        raise expected("a size above 0", value)
    return size


def read_workers(value: object) -> int:
    """Return a number of processes; 0 stands for ``"auto"``, one for each core.

    Raises ValueError.
    """
    if value == "auto":
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise expected('"auto" or a whole number >= 1', value)
    return value


def _parse_seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # An integer of a thousand digits does not fit a float, but compares with one.
        return math.inf if value > _LONGEST else -1.0 if value < 0 else float(value)
    if not isinstance(value, str):
        return None
    if re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        return float(value)
    match = _DURATION.fullmatch(value)
    if match is None or not any(match.groups()):
        return None
    counts = (float(count or 0) for count in match.groups())
    return sum(count * unit for count, unit in zip(counts, _SECONDS.values(), strict=True))


def _parse_size(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    # int() refuses thousands of digits with a sentence of its own; 19 fill 63 bits.
    if match is None or len(match[1]) > 19:
        return None
    return int(match[1]) * _BYTES[(match[2] or "").lower()]
