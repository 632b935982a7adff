"""All that `fastws check` finds in an nginx.conf."""

from fastws.config.nginx.findings import EnoughError, Finding, Findings, Level
from fastws.config.nginx.grammar import judge, outermost
from fastws.config.nginx.parser import parse
from fastws.config.nginx.scope import survey
from fastws.config.nginx.traps import look


def check(path: str, data: bytes) -> list[Finding]:
    """Return the findings in the file at ``path``, which holds ``data``, worst first."""
    findings = Findings()
    try:
        written = parse(path, data, findings)
        context = outermost(written)
        look(survey(judge(written, context, findings), whole=context == "m"), findings)
    except EnoughError:
        pass  # the last finding says why
    worst_first = list(Level)
    return sorted(
        findings.all,
        key=lambda each: (worst_first.index(each.level), each.place.file != path, each.place),
    )
