"""``map``, ``geo`` and ``split_clients``: variables that are looked up by another text."""

from ipaddress import ip_network
from typing import Any

from fastws.config.nginx.findings import Findings, Level
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
        "cases": [],
    }
    for line in directive.block or ():
        match line.name.text, line.values:
            case "default", (value,):
                raw["default"] = said(value, line)
            case ("ranges" | "proxy" | "proxy_recursive" | "delete") as word, _:
                why = "fastws looks addresses up by networks alone"
                findings.add(Level.LEFT_OUT, line.place, f"{word} in a geo", why)
            case key, (value,):
                raw["cases"].append(said({"key": network(key), "value": value}, line))
    return raw


def _name(variable: str) -> str:
    return variable.removeprefix("$").lower()


def network(text: str) -> str:
    """Return a network without bits of a host, which nginx takes for a slip."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return text
