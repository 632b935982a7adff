"""Traps on the way of the opening handshake: headers, the version of HTTP, the host."""

import re

from fastws.config.expected import show
from fastws.config.nginx.findings import Findings, Place
from fastws.config.nginx.parser import Directive
from fastws.config.nginx.scope import Scope, Site

UPGRADE = "proxy_set_header Upgrade $http_upgrade;"
CONNECTION = "proxy_set_header Connection $connection_upgrade;"
MAP = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }"

_NEEDED = {"upgrade": ("Upgrade", UPGRADE), "connection": ("Connection", CONNECTION)}
_HOP_BY_HOP = "nginx passes no hop-by-hop header on by itself, so the upstream sees plain HTTP"
_STANDARD_PORTS = {"80", "443"}
_PORT = re.compile(r"(?:.*:)?(\d{1,5})", re.ASCII)


def missing_headers(site: Site, findings: Findings) -> None:
    """Find locations for WebSockets where Upgrade or Connection is missing, or hidden."""
    for scope, proxy_pass in site.proxies:
        missing = [name for name in _NEEDED if not _is_set(scope.header(name))]
        lost = {name: header for name in missing if (header := scope.lost_header(name))}
        if lost:
            _lost_headers(scope, lost, findings)
        elif missing and scope.speaks_websocket:
            names = " and ".join(_NEEDED[name][0] for name in missing)
            findings.warning(
                proxy_pass.place,
                f"WebSockets do not get through here: {names} "
                f"{'is' if len(missing) == 1 else 'are'} not set for the upstream",
                _HOP_BY_HOP,
                _with_map(site, [_NEEDED[name][1] for name in missing]),
            )


def _lost_headers(scope: Scope, lost: dict[str, Directive], findings: Findings) -> None:
    here = scope.nearest("proxy_set_header")[0]
    names = " and ".join(_NEEDED[name][0] for name in lost)
    lines = ", ".join(sorted({str(header.place.line) for header in lost.values()}))
    findings.warning(
        here.place,
        f"this proxy_set_header hides {names}, set in line {lines}",
        "a level inherits proxy_set_header only if it has none of its own; "
        "without them WebSockets do not get through",
        "\n".join(_NEEDED[name][1] for name in lost),
    )


def nothing_upgrades(site: Site, findings: Findings) -> None:
    """Find a configuration that proxies, but WebSockets nowhere."""
    proxies = list(site.proxies)
    if not site.whole or not proxies or any(scope.speaks_websocket for scope, _ in proxies):
        return
    if any(scope.lost_header("upgrade") for scope, _ in proxies):
        return
    findings.warning(
        proxies[0][1].place,
        "no location of this configuration lets WebSockets through",
        _HOP_BY_HOP,
        _with_map(site, [UPGRADE, CONNECTION]),
    )


def hard_coded_connection(site: Site, findings: Findings) -> None:
    """Find ``Connection "upgrade"`` where plain HTTP passes too."""
    dedicated: dict[Place, bool] = {}
    for scope, _ in site.proxies:
        connection = scope.header("connection")
        if connection and connection.values[1].lower() == "upgrade":
            place = connection.place
            dedicated[place] = dedicated.get(place, True) and scope.speaks_nothing_else
    for place, alone in dedicated.items():
        if not alone:
            findings.warning(
                place,
                'Connection is "upgrade" for every request, and this location serves HTTP too',
                "plain requests then ask for an upgrade as well: some servers refuse them, and the "
                "connection is not kept for the next one",
                _with_map(site, [CONNECTION]),
            )


def connection_that_closes(site: Site, findings: Findings) -> None:
    """Find a Connection header that takes the upgrade back."""
    for scope, _ in site.proxies:
        connection = scope.header("connection")
        if not connection or not scope.passes_upgrade:
            continue
        value = connection.values[1]
        if value and "$" not in value and "upgrade" not in value.lower():
            findings.warning(
                connection.place,
                f"Connection is {show(value)} while Upgrade is set",
                'a handshake without "Connection: upgrade" is none (RFC 6455, 4.1)',
                _with_map(site, [CONNECTION]),
            )


def http_version(site: Site, findings: Findings) -> None:
    """Find WebSockets over a version of HTTP that cannot upgrade."""
    for scope, proxy_pass in site.proxies:
        set_to = scope.nearest("proxy_http_version")
        version = scope.value("proxy_http_version")
        if not scope.speaks_websocket or version == "1.1":
            continue
        findings.warning(
            set_to[0].place if set_to else proxy_pass.place,
            f"WebSockets cannot upgrade over HTTP/{version}"
            if version
            else "proxy_http_version is not set: before 1.29.7 nginx speaks HTTP/1.0 to upstreams",
            "the opening handshake needs HTTP/1.1 (RFC 6455, 4.1)",
            "proxy_http_version 1.1;",
        )


def host_without_port(site: Site, findings: Findings) -> None:
    """Find ``$host`` where clients write a port."""
    seen = set()
    for scope, _ in site.proxies:
        host = scope.header("host")
        port = _unusual_port(scope)
        if not host or host.values[1] != "$host" or not port or not scope.speaks_websocket:
            continue
        if host.place in seen:
            continue
        seen.add(host.place)
        findings.warning(
            host.place,
            f"$host drops the port, and this server listens on {port}",
            "servers that compare Origin with Host then refuse the handshake",
            "proxy_set_header Host $http_host;",
        )


def host_of_the_upstream(site: Site, findings: Findings) -> None:
    """Find WebSockets whose upstream is not told the host."""
    for scope, proxy_pass in site.proxies:
        if scope.speaks_websocket and not scope.header("host"):
            findings.warning(
                proxy_pass.place,
                "Host is not set: the upstream sees the name in proxy_pass instead",
                "servers that compare Origin with Host then refuse the handshake",
                "proxy_set_header Host $http_host;",
            )


def _is_set(header: Directive | None) -> bool:
    return header is not None and header.values[1] != ""


def _unusual_port(scope: Scope) -> str:
    """Return a port of the server around that clients have to write, or nothing."""
    server = scope.around("server")
    for listen in server.own("listen") if server else ():
        match = _PORT.fullmatch(listen.values[0])
        if match and match[1] not in _STANDARD_PORTS:
            return match[1]
    return ""


def _with_map(site: Site, lines: list[str]) -> str:
    """Return the lines to write, with the map that they need if there is none."""
    variables = {each.values[1] for each in site.all("map") if len(each.values) == 2}
    needed = CONNECTION in lines and "$connection_upgrade" not in variables
    return "\n".join([*lines, f"(at http level) {MAP}"] if needed else lines)
