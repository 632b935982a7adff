"""Traps around variables: defined twice, or not at all."""

from fastws.config.nginx.findings import Findings, Level, Place
from fastws.config.nginx.scope import Site
from fastws.config.nginx.traps.handshake import MAP
from fastws.config.nginx.variables import defined, is_known, used

# Whose arguments are texts with variables, and nothing else.
_TEXTS = ("proxy_set_header", "proxy_pass", "add_header", "set", "return")


def mapped_twice(site: Site, findings: Findings) -> None:
    """Find two maps of one variable."""
    first: dict[str, Place] = {}
    for block in site.all("map"):
        variable = block.values[1].lower() if len(block.values) == 2 else ""
        if variable in first:
            line = first[variable].line
            findings.warning(
                block.place,
                f"{variable} is mapped twice, first in line {line}",
                "nginx takes the last map for all places, and says nothing",
                "(one map, or two variables)",
            )
        elif variable:
            first[variable] = block.place


def unknown_variable(site: Site, findings: Findings) -> None:
    """Find variables that nothing defines."""
    level = Level.ERROR if site.whole else Level.WARNING
    known = set(defined(site.tree))
    for name in _TEXTS:
        for directive in site.all(name):
            for value in directive.values[name == "set" :]:
                for variable in used(value):
                    if variable in known or is_known(variable):
                        continue
                    known.add(variable)  # once is enough
                    findings.add(
                        level,
                        directive.place,
                        f"nothing defines the variable ${variable}"
                        + ("" if site.whole else " in this file"),
                        "nginx does not start with it",
                        f"(at http level) {MAP}" if variable == "connection_upgrade" else "",
                    )
