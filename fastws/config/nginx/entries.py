"""Blocks whose lines are not directives but keys with values: map, geo, split_clients."""

from fastws.config.expected import show
from fastws.config.nginx.findings import Findings
from fastws.config.nginx.parser import Directive, write

# The words that stand alone on a line.
BLOCKS = {
    "map": ("hostnames", "volatile"),
    "geo": ("ranges", "proxy_recursive"),
    "split_clients": (),
}


def judge(block: Directive, findings: Findings) -> None:
    """Add to the findings the lines that are not a key with a value, or that repeat a map's key."""
    kind = block.name.text
    seen: dict[str, Directive] = {}
    for line in block.block or ():
        if line.block is not None:
            findings.error(line.place, f'unexpected "{{": a {kind} has no blocks inside')
        elif not line.arguments and line.name.text in BLOCKS[kind]:
            pass
        elif len(line.arguments) != 1:
            _not_a_pair(line, block, findings)
        elif kind == "map" and not line.name.text.startswith("~"):
            _unless_new(line, seen, findings)


def _not_a_pair(line: Directive, block: Directive, findings: Findings) -> None:
    kind, name = block.name.text, line.name.text
    if line.arguments:
        what = f"a line of a {kind} has a key and one value, this one has {len(line.arguments)}"
        findings.error(line.place, what, "nginx does not start with it")
        return
    values = {value for other in block.block or () for value in other.values}
    findings.error(
        line.place,
        f"a line of a {kind} has a key and a value, this one has only {show(name)}",
        "nginx does not start with it",
        "(nothing: the line is stray)" if name in values else f"{name} VALUE;",
    )


def _unless_new(line: Directive, seen: dict[str, Directive], findings: Findings) -> None:
    key = line.name.text.removeprefix("\\").lower()
    first = seen.setdefault(key, line)
    if first is line:
        return
    findings.error(
        line.place,
        f"the map has {show(key)} twice, first in line {first.place.line}",
        "nginx does not start with it",
        f"(one of the two) {write(first.name.text, *first.values)}",
    )
