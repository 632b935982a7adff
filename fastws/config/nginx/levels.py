"""What is in force at a level, all inheritance resolved: the raw form of an `Action`."""

import re
from collections.abc import Iterable
from typing import Any

from fastws.config.expected import show
from fastws.config.nginx.findings import Findings, Level
from fastws.config.nginx.logging import AccessLogs
from fastws.config.nginx.parser import Directive
from fastws.config.nginx.passing import Target, Upstreams, number, read_target
from fastws.config.nginx.said import Said, said
from fastws.config.nginx.scope import Scope

Raw = dict[str, Any]

# What nginx does not pass on unless proxy_pass_header says so. It sends a Server and a Date of its
# own; fastws has no name to tell, and passes the upstream's Date on.
_HIDDEN = (
    "server",
    "x-pad",
    "x-accel-expires",
    "x-accel-redirect",
    "x-accel-limit-rate",
    "x-accel-buffering",
    "x-accel-charset",
)
_DEFAULT_TIME = "60s"
# What is done with the requests of a location that are not for files.
_DOES = re.compile(r"[a-z]+_pass|return|rewrite|try_files|stub_status|empty_gif|.*_by_lua.*")
_OFF = "off"


class Levels:
    """Makes actions of levels."""

    def __init__(self, upstreams: Upstreams, access_logs: AccessLogs, findings: Findings) -> None:
        self._upstreams = upstreams
        self._access_logs = access_logs
        self._findings = findings

    def action(self, scope: Scope, passing: Scope | None = None) -> Raw:
        """Return the action at a level.

        ``passing`` is the level whose ``proxy_pass`` counts; None: that of ``scope`` itself.
        """
        passing = passing or scope
        raw: Raw = {
            "access": _said_each(scope.nearest_of("allow", "deny"), _access),
            "access_logs": self._access_logs.names(scope),
            "max_body": _first(scope, "client_max_body_size", "1m"),
            "add_headers": _said_each(_added(scope), _added_header),
            "error_pages": _said_each(scope.nearest("error_page"), self._error_page),
            "default_type": _first(scope, "default_type", "text/plain"),
            "absolute_redirect": _flag(scope, "absolute_redirect", default=True),
            "port_in_redirect": _flag(scope, "port_in_redirect", default=True),
            "server_name_in_redirect": _flag(scope, "server_name_in_redirect", default=False),
        }
        if passing.own("proxy_pass"):
            raw |= self._proxied(scope, passing)
        elif passing.own("stub_status"):
            raw["stub_status"] = True
        elif tried := passing.own("try_files"):
            raw["otherwise"] = said(tried[0].values[-1], tried[0])
        return raw

    def _proxied(self, scope: Scope, passing: Scope) -> Raw:
        proxy_pass = passing.own("proxy_pass")[0]
        target = None
        if "$" in proxy_pass.values[0]:
            forward = self._dynamic(scope, proxy_pass)
        else:
            target = read_target(proxy_pass.values[0])
            forward = self._static(target, scope, passing, proxy_pass)
        return {
            "forward": forward,
            "set_headers": _set_headers(scope),
            "hide_headers": _hidden(scope),
            "redirects": self._redirects(scope, passing, target),
            "cookie_domains": _said_each(_unless_off(scope, "proxy_cookie_domain"), _replacement),
            "cookie_paths": _said_each(_unless_off(scope, "proxy_cookie_path"), _replacement),
            "intercept_errors": _flag(scope, "proxy_intercept_errors", default=False),
            "timeouts": _timeouts(scope),
            "next_upstream": _next_upstream(scope),
        }

    def _static(
        self, target: Target | None, scope: Scope, passing: Scope, proxy_pass: Directive
    ) -> Said:
        url = proxy_pass.values[0]
        if target is None:
            self._findings.error(
                proxy_pass.place,
                f"{show(url)} is no address to pass requests to",
                "nginx does not start with it",
                "proxy_pass http://HOST:PORT;",
            )
            return said({}, proxy_pass)
        if target.uri and not _has_a_path(passing):
            self._findings.error(
                proxy_pass.place,
                "proxy_pass has a URI where no path is that it could replace",
                "nginx does not start with it: in a location with a pattern, a named one, an if or "
                "a limit_except proxy_pass has only scheme, host and port",
                f"proxy_pass {url.removesuffix(target.uri)};",
            )
        raw: Raw = {
            "upstream": self._upstreams.use(target, scope, proxy_pass),
            "host": target.host,
        }
        if target.uri:
            raw["uri"] = target.uri
        return said(raw, proxy_pass)

    def _dynamic(self, scope: Scope, proxy_pass: Directive) -> Said:
        url = proxy_pass.values[0]
        self._upstreams.named_in(url, scope, proxy_pass)
        verify = scope.value("proxy_ssl_verify").lower() == "on"
        return said({"url": url, "tls_verify": verify}, proxy_pass)

    def _redirects(self, scope: Scope, passing: Scope, target: Target | None) -> list[Any]:
        written = scope.nearest("proxy_redirect")
        if not written:
            return [_default_redirect(passing, target)] if target else []
        redirects: list[Any] = []
        for directive in written:
            if directive.values == (_OFF,):
                return []
            if directive.values == ("default",):
                redirects += [said(_default_redirect(passing, target), directive)] if target else []
            elif len(directive.values) == 2:
                redirects.append(said(_replacement(directive), directive))
            else:
                self._findings.error(directive.place, "proxy_redirect has one value too few")
        return redirects

    def _error_page(self, directive: Directive) -> Raw:
        *codes, to = directive.values
        answer = codes.pop() if codes[-1].startswith("=") else None
        raw: Raw = {"statuses": [_status(code) for code in codes], "to": to}
        if answer is not None:
            raw["status"] = _status(answer[1:] or "0")
        return raw


def location_path(scope: Scope) -> str:
    """Return the path of the location that a level is in, empty where it is no plain path."""
    location = scope.around("location")
    values = location.directive.values if location and location.directive else ()
    if len(values) == 2 and values[0] in {"=", "^~"}:
        return values[1]
    if len(values) == 1 and not values[0].startswith(("@", "~", "=", "^~")):
        return values[0]
    if len(values) == 1 and values[0].startswith(("=", "^~")):
        return values[0].removeprefix("=").removeprefix("^~")
    return ""


def tell_unused(scope: Scope, findings: Findings) -> None:
    """Add what is left out of values that are only used in part."""
    for directive in scope.own("error_log"):
        why = "fastws has one log for all: that of error_log at the main level"
        findings.add(Level.NOTE, directive.place, "error_log is passed over", why)
    for directive in scope.own("try_files"):
        findings.add(
            Level.LEFT_OUT,
            directive.place,
            "try_files",
            f"fastws serves no files: requests go to {show(directive.values[-1])} at once",
        )
    if scope.directive and _serves_files(scope):
        findings.add(
            Level.LEFT_OUT,
            scope.directive.place,
            f"location {show(scope.path)} is a 404",
            "fastws serves no files: proxy_pass its requests to a server that does",
        )


def _serves_files(scope: Scope) -> bool:
    """Whether a location says nothing else to do with its requests, as nginx takes it then."""
    return (
        scope.opened_by == "location"
        and not any(_DOES.fullmatch(name) for name in scope.named)
        and "all" not in [each.values[0] for each in scope.own("deny")]
    )


def _has_a_path(passing: Scope) -> bool:
    return passing.opened_by == "location" and bool(location_path(passing))


def _default_redirect(passing: Scope, target: Target | None) -> Raw:
    url = passing.own("proxy_pass")[0].values[0]
    if target and target.uri:
        return {"find": url, "replace": location_path(passing)}
    return {"find": f"{url}/", "replace": "/"}


def _set_headers(scope: Scope) -> list[Any]:
    written = scope.nearest("proxy_set_header")
    hosts = [each for each in written if each.values[0].lower() == "host"]
    others = [each for each in written if each not in hosts]
    first: list[Any] = (
        [said(_line(hosts[-1]), hosts[-1])] if hosts else [{"name": "Host", "value": "$proxy_host"}]
    )
    return [*first, *(said(_line(each), each) for each in others)]


def _line(directive: Directive) -> Raw:
    name, value = directive.values
    return {"name": name, "value": value}


def _hidden(scope: Scope) -> list[Any]:
    passed = {each.values[0].lower() for each in scope.nearest("proxy_pass_header")}
    own = scope.nearest("proxy_hide_header")
    names: list[Any] = [name for name in _HIDDEN if name not in passed]
    return names + [said(each.values[0].lower(), each) for each in own]


def _timeouts(scope: Scope) -> Raw:
    read = _first(scope, "proxy_read_timeout", _DEFAULT_TIME)
    return {
        "connect": _first(scope, "proxy_connect_timeout", _DEFAULT_TIME),
        "handshake": read,
        "answer": read,
        "idle": read,
        "ping": 0,  # nginx sends none
        "stall": _first(scope, "send_timeout", _DEFAULT_TIME),
        "body": _first(scope, "client_body_timeout", _DEFAULT_TIME),
        "linger": _first(scope, "lingering_timeout", "5s"),
    }


def _next_upstream(scope: Scope) -> Raw:
    raw: Raw = {}
    if on := scope.nearest("proxy_next_upstream"):
        raw["on"] = said([each for each in on[0].values if each != _OFF], on[0])
    if tries := scope.nearest("proxy_next_upstream_tries"):
        raw["tries"] = said(number(tries[0].values[0]), tries[0])
    if timeout := scope.nearest("proxy_next_upstream_timeout"):
        raw["timeout"] = said(timeout[0].values[0], timeout[0])
    return raw


def _added(scope: Scope) -> Iterable[Directive]:
    """Return the ``add_header`` in force; ``add_header_inherit merge`` adds those from outside."""
    if scope.value("add_header_inherit") != "merge":
        return scope.nearest("add_header")
    return [each for level in reversed(list(scope.levels())) for each in level.own("add_header")]


def _added_header(directive: Directive) -> Raw:
    name, value, *always = directive.values
    return {"name": name, "value": value, "always": always == ["always"]}


def _access(directive: Directive) -> str:
    return f"{directive.name.text} {directive.values[0]}"


def _unless_off(scope: Scope, name: str) -> list[Directive]:
    return [each for each in scope.nearest(name) if len(each.values) == 2]


def _replacement(directive: Directive) -> Raw:
    find, replace = directive.values
    return {"find": find, "replace": replace}


def _status(text: str) -> int | str:
    return int(text) if re.fullmatch(r"\d{1,3}", text, re.ASCII) else text


def _said_each(directives: Iterable[Directive], make: Any) -> list[Any]:
    return [said(make(each), each) for each in directives]


def _first(scope: Scope, name: str, default: str) -> Any:
    directives = scope.nearest(name)
    return said(directives[0].values[0], directives[0]) if directives else default


def _flag(scope: Scope, name: str, *, default: bool) -> bool:
    return scope.value(name).lower() == "on" if scope.value(name) else default
