"""``map``, ``geo`` and ``split_clients``: variables that are looked up by another text."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, ip_network, summarize_address_range
from typing import Any

from fastws.config.nginx.findings import Findings
from fastws.config.nginx.parser import Directive
from fastws.config.nginx.said import Said, said
from fastws.config.nginx.scope import Scope

Raw = dict[str, Any]


def tables(http: Scope, findings: Findings) -> list[Said]:
    """Return the maps of a configuration; of two for one variable the last counts, as in nginx."""
    made: dict[str, Said] = {}
    for directive in http.content:
        match directive.name.text:
            case "map" if len(directive.values) == 2:
                table = _map(directive)
            case "split_clients":
                table = _split(directive)
            case "geo":
                table = _geo(directive, findings)
            case _:
                continue
        made.pop(table["variable"], None)
        made[table["variable"]] = said(table, directive)
    return list(made.values())


def _map(directive: Directive) -> Raw:
    source, variable = directive.values
    raw: Raw = {"variable": _name(variable), "source": source, "cases": []}
    for line in directive.block or ():
        match line.name.text, line.values:
            case "hostnames", ():
                raw["compare"] = "hosts"
            case "volatile", ():
                raw["volatile"] = True
            case "default", (value,):
                raw["default"] = said(value, line)
            case key, (value,):
                raw["cases"] += [said({"key": each, "value": value}, line) for each in _keys(key)]
    return raw


def _split(directive: Directive) -> Raw:
    source, variable = directive.values
    raw: Raw = {"variable": _name(variable), "source": source, "compare": "shares", "cases": []}
    for line in directive.block or ():
        match line.name.text, line.values:
            case "*", (value,):
                raw["default"] = said(value, line)
            case share, (value,):
                raw["cases"].append(said({"key": share, "value": value}, line))
    return raw


def _keys(key: str) -> list[str]:
    """Return what is meant by a key: nginx's ".name" is a name and all below it."""
    return [key[1:], f"*{key}"] if key.startswith(".") and len(key) > 1 else [key]


def _geo(directive: Directive, findings: Findings) -> Raw:
    *source, variable = directive.values
    raw: Raw = {
        "variable": _name(variable),
        "source": source[0] if source else "$remote_addr",
        "compare": "networks",
    }
    cases: dict[str, Said] = {}  # by their networks: of two the last counts
    for line in directive.block or ():
        match line.name.text, line.values:
            case "default", (value,):
                raw["default"] = said(value, line)
            case "ranges", ():
                pass
            case "delete", (key,):
                for each in networks(key):
                    cases.pop(each, None)
            case ("proxy" | "proxy_recursive") as word, _:
                what = f"fastws looks no address up behind a {word} of a geo"
                why = "other clients would be taken for those that the addresses stand for"
                findings.error(line.place, what, why, "(set_real_ip_from, for all of the server)")
            case key, (value,):
                for each in networks(key):
                    cases[each] = said({"key": each, "value": value}, line)
    return raw | {"cases": list(cases.values())}


def _name(variable: str) -> str:
    return variable.removeprefix("$").lower()


def networks(text: str) -> list[str]:
    """Return the networks that a key of a geo stands for: one, or those that make up a range."""
    first, dash, last = text.partition("-")
    try:
        return [str(each) for each in _range(first, last)] if dash else [network(text)]
    except (TypeError, ValueError):
        return [text]


def _range(first: str, last: str) -> Iterator[IPv4Network]:
    return summarize_address_range(IPv4Address(first), IPv4Address(last))


def network(text: str) -> str:
    """Return a network without bits of a host, which nginx takes for a slip."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return text
