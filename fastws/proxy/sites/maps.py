"""Variables that are looked up by another text."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import accumulate
from typing import TYPE_CHECKING

from fastws.config.model import compile_pattern, split_pattern
from fastws.errors import SlowPattern
from fastws.proxy.sites.hosts import Hosts
from fastws.proxy.sites.murmur import murmur_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastws.config.model import Map, Pattern
    from fastws.proxy.sites.variables import Value, Variables
    from fastws.proxy.sites.visit import Visit


def lookup(written: Map, variables: Variables) -> Value:
    """Return the function of a map's variable."""
    source = variables.text(written.source)
    default = variables.text(written.default)
    cases = [(case.key, variables.text(case.value)) for case in written.cases]
    find = _FINDERS.get(written.compare, _texts)(written, cases)
    name, volatile = written.variable, written.volatile

    def read(visit: Visit) -> bytes:
        values = visit.values
        if name in values:
            return values[name]
        values[name] = b""  # what a map sees that asks for itself
        found = (find(visit, source(visit)) or default)(visit)
        if volatile:
            del values[name]
        else:
            values[name] = found
        return found

    return read


def _texts(written: Map, cases: list[tuple[str, Value]]) -> Callable[[Visit, bytes], Value | None]:
    exact: dict[bytes, Value] = {}
    wild: list[tuple[list[str], Value]] = []
    patterns: list[tuple[Pattern, Value]] = []
    for key, value in cases:
        if pattern := split_pattern(key):
            patterns.append((compile_pattern(pattern[0], ignore_case=pattern[1]), value))
        elif written.compare == "hosts" and "*" in key:
            wild.append(([key.lower()], value))
        else:
            exact[key.removeprefix("\\").encode().lower()] = value
    hosts = Hosts(wild)

    def find(visit: Visit, text: bytes) -> Value | None:
        low = text.lower()
        if low in exact:
            return exact[low]
        if wild and (found := hosts.find(low)):
            return found[0]
        if text:
            with suppress(SlowPattern):  # the default, as in nginx: texts are looked up anywhere
                for pattern, value in patterns:
                    if visit.matches(pattern, text):
                        return value
        return None

    return find


def _shares(_: Map, cases: list[tuple[str, Value]]) -> Callable[[Visit, bytes], Value | None]:
    """Return what finds whose share of all texts one is in, by nginx's arithmetic."""
    # In hundredths of a percent.
    sizes = (round(float(key.removesuffix("%")) * 100) for key, _ in cases)
    ends = list(accumulate(size * 0xFFFFFFFF // 10000 for size in sizes))
    values = [value for _, value in cases]

    def find(_: Visit, text: bytes) -> Value | None:
        place = bisect_right(ends, murmur_hash(text))
        return values[place] if place < len(values) else None

    return find


def _networks(_: Map, cases: list[tuple[str, Value]]) -> Callable[[Visit, bytes], Value | None]:
    networks: list[tuple[IPv4Network | IPv6Network, Value]] = sorted(
        ((ip_network(key), value) for key, value in cases),
        key=lambda case: case[0].prefixlen,
        reverse=True,
    )

    def find(_: Visit, text: bytes) -> Value | None:
        try:
            address = ip_address(text.decode("latin-1"))
        except ValueError:
            return None
        return next((value for network, value in networks if address in network), None)

    return find


_FINDERS = {"networks": _networks, "shares": _shares}
