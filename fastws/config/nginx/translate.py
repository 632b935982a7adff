"""A judged tree to the raw form that every syntax is brought into."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastws.config.expected import show
from fastws.config.nginx.findings import Findings, Level, Place
from fastws.config.nginx.levels import Levels, tell_unused
from fastws.config.nginx.listening import Listening
from fastws.config.nginx.logging import AccessLogs, error_log
from fastws.config.nginx.parser import Directive
from fastws.config.nginx.passing import Upstreams, number
from fastws.config.nginx.rewriting import Rewriting
from fastws.config.nginx.said import Said, said, settle
from fastws.config.nginx.scope import Scope, open_scope
from fastws.config.nginx.tables import network, tables
from fastws.config.nginx.writable import writable_file

Raw = dict[str, Any]
Tree = tuple[Directive, ...]

_MATCHES = {"=": "exact", "^~": "prefix_first", "~": "regex", "~*": "regex_nocase"}
# What each server has in nginx, and fastws once: its table and key, and how it is read.
_FOR_ALL: dict[str, tuple[str, str, Callable[[Sequence[str]], Any]]] = {
    "client_header_timeout": ("timeouts", "head", lambda values: values[0]),
    "keepalive_timeout": ("timeouts", "keepalive", lambda values: values[0]),
    "max_headers": ("limits", "headers", lambda values: number(values[0])),
    "large_client_header_buffers": ("limits", "target_bytes", lambda values: values[1]),
}
_LOCATION = re.compile(r"(=|\^~|~\*|~)(.+)", re.DOTALL)


def translate(
    tree: Tree, context: str, findings: Findings, folder: Path
) -> tuple[Raw, dict[str, Place]]:
    """Return the raw form of a tree that `grammar.judge` returned, and where its keys come from.

    ``context`` is the one the tree is written for (see `grammar.outermost`). Files are named
    relative to ``folder``, where the main file is. What is wrong is added to the findings.
    """
    http = _http(tree, context)
    blocks = {each.values[0]: each for each in http.own("upstream")}
    upstreams = Upstreams(blocks, findings, folder)
    access_logs = AccessLogs(http, findings, folder, whole=context == "m")
    servers = _Servers(upstreams, access_logs, findings, folder)
    sites = servers.sites(http, tree if context in "sl" else ())
    raw: Raw = {
        "listeners": servers.listeners(),
        "upstreams": upstreams.all,
        "maps": tables(http, findings),
        "access_logs": access_logs.all,
        "sites": sites,
        "log": error_log(open_scope(None, tree, None), http, findings, folder),
        **_whole(tree, http, findings, folder),
    }
    return settle({key: value for key, value in raw.items() if value})


def _affinity(main: Scope, findings: Findings) -> Raw:
    """Return what keeps workers on cores."""
    written = main.own("worker_cpu_affinity")
    if not written:
        return {}
    if written[0].values == ("auto",):
        return {"pin_workers": said(value=True, directive=written[0])}
    why = "fastws chooses the cores; auto keeps each worker on one"
    findings.add(Level.LEFT_OUT, written[0].place, "worker_cpu_affinity", why)
    return {}


def _http(tree: Tree, context: str) -> Scope:
    main = open_scope(None, tree, None)
    if context == "m":
        return next(main.inside("http"), open_scope(None, (), None))
    return main if context == "h" else open_scope(None, (), None)


def _whole(tree: Tree, http: Scope, findings: Findings, folder: Path) -> Raw:
    """Return what is for the process, and what fastws has for all servers alike."""
    main = open_scope(None, tree, None)
    servers = list(http.inside("server"))
    raw: Raw = {"timeouts": {}, "limits": {}, "drain": {}}
    if count := main.own("worker_processes"):
        raw["workers"] = said(number(count[0].values[0]), count[0])
    raw |= _affinity(main, findings)
    if (pid := main.own("pid")) and (file := writable_file(pid[0], folder, findings)):
        raw["pid"] = said(file, pid[0])
    if seconds := main.own("worker_shutdown_timeout"):
        raw["drain"]["timeout"] = said(seconds[0].values[0], seconds[0])
    for scope in [http, *servers]:
        for name, (table, key, read) in _FOR_ALL.items():
            for directive in scope.own(name)[:1]:
                value = read(directive.values)
                used = raw[table].setdefault(key, said(value, directive)).value
                if used != value:
                    what = f"{name} {value}"
                    why = f"fastws has one for all servers, the first: {used}"
                    findings.add(Level.LEFT_OUT, directive.place, what, why)
    return raw


class _Servers:
    def __init__(
        self, upstreams: Upstreams, access_logs: AccessLogs, findings: Findings, folder: Path
    ) -> None:
        self._findings = findings
        self._levels = Levels(upstreams, access_logs, findings)
        self._rewriting = Rewriting(self._levels, findings)
        self._listening = Listening(findings, folder)
        self._hosts: dict[int, list[str]] = {}

    def sites(self, http: Scope, loose: Tree) -> list[Said]:
        """Return the sites of all servers; ``loose`` are directives that belong in one."""
        servers = list(http.inside("server"))
        if loose:
            opening = Directive(loose[0].name, (), loose)
            servers.append(open_scope(opening, loose, http))
        return [self._site(number, server) for number, server in enumerate(servers)]

    def listeners(self) -> list[Said]:
        return self._listening.listeners(self._hosts)

    def _site(self, number: int, server: Scope) -> Said:
        opening = server.directive
        assert opening is not None  # noqa: S101 - a server opens the level
        names = [name for each in server.own("server_name") for name in each.values]
        self._hosts[number] = _hosts(names)
        found = self._listening.add(server)
        raw: Raw = {
            "addresses": [each.address for each in found],
            "default_at": [each.address for each in found if each.default],
            "hosts": _said_all(self._hosts[number], server.own("server_name")),
            "name": names[0].removeprefix(".") if names else "",
            "steps": self._rewriting.steps(server),
            "action": self._levels.action(server),
            "locations": [self._location(each) for each in server.inside("location")],
        }
        if real := self._real_address(server):
            raw["real_address"] = real
        tell_unused(server, self._findings)
        return said(raw, opening)

    def _location(self, scope: Scope) -> Said:
        opening = scope.directive
        assert opening is not None  # noqa: S101 - a location opens the level
        match, path = _place(opening.values)
        raw: Raw = {
            "match": match,
            "path": said(path, opening),
            "internal": bool(scope.own("internal")),
            "steps": self._rewriting.steps(scope, scope),
            "action": self._levels.action(scope),
            "locations": [self._location(each) for each in scope.inside("location")],
        }
        for inside in scope.inside("limit_except"):
            raw["other_methods"] = self._other_methods(inside, scope)
        tell_unused(scope, self._findings)
        return said(raw, opening)

    def _other_methods(self, scope: Scope, location: Scope) -> Said:
        opening = scope.directive
        assert opening is not None  # noqa: S101 - a limit_except opens the level
        methods = [method.upper() for method in opening.values]
        if "GET" in methods:
            methods.append("HEAD")
        own = scope if scope.own("proxy_pass") else location
        return said({"methods": methods, "action": self._levels.action(scope, own)}, opening)

    def _real_address(self, server: Scope) -> Said | None:
        trusted = server.nearest("set_real_ip_from")
        if not trusted:
            return None
        header = server.value("real_ip_header") or "X-Real-IP"
        networks = []
        for each in trusted:
            if each.values[0] == "unix:":
                why = "fastws takes the address of no client behind a Unix socket from a header"
                self._findings.add(Level.LEFT_OUT, each.place, "set_real_ip_from unix:", why)
            else:
                networks.append(said(network(each.values[0]), each))
        recursive = server.value("real_ip_recursive").lower() == "on"
        raw = {"trusted": networks, "header": header, "recursive": recursive}
        return said(raw, trusted[0])


def _hosts(names: list[str]) -> list[str]:
    """Return the hosts that names stand for: ".name" is a name and all below it."""
    hosts: list[str] = []
    for name in names:
        if name.startswith(".") and len(name) > 1:
            hosts += [name[1:], f"*{name}"]
        else:
            hosts.append(name)
    return list(dict.fromkeys(hosts))


def _said_all(hosts: list[str], written: Any) -> Any:
    return said(list(hosts), written[0]) if written else hosts


def _place(values: tuple[str, ...]) -> tuple[str, str]:
    """Return how a location matches, and its path."""
    if len(values) == 2:
        return _MATCHES.get(values[0], show(values[0])), values[1]
    if match := _LOCATION.fullmatch(values[0]):
        return _MATCHES[match[1]], match[2]
    return "named" if values[0].startswith("@") else "prefix", values[0]
