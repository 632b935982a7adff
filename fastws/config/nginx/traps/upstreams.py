"""Traps around upstreams: their names, their servers, the connections that are kept to them."""

import re
from itertools import combinations

from fastws.config.expected import show
from fastws.config.faults import nearest
from fastws.config.nginx.findings import Findings
from fastws.config.nginx.parser import Directive, write
from fastws.config.nginx.scope import Scope, Site
from fastws.config.nginx.variables import used

_TARGET = re.compile(r"(https?://)([^/:?#\s]+)(.*)", re.IGNORECASE | re.DOTALL)
_PORT = re.compile(r".*:(\d{1,5})", re.ASCII | re.DOTALL)
# What passes requests on to an upstream, by its first argument.
_PASSES = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass")
# The variables that hold what a client wrote.
_CLIENTS = re.compile(
    r"host|args|query_string|(document_|request_)?uri|\d|(http|arg|cookie)_\w+", re.ASCII
)
_MOST_SERVERS = 100
_MOST_GUESSES = 50


def unknown_upstream(site: Site, findings: Findings) -> None:
    """Find a ``proxy_pass`` to a name that no upstream has, though one was meant."""
    upstreams = _upstreams(site)
    unused = list(upstreams.keys() - _passed_to(site))
    guesses: dict[str, str] = {}
    for _, proxy_pass in site.proxies:
        match = _TARGET.fullmatch(proxy_pass.values[0])
        if not match or not _could_be_an_upstream(match[2], match[3], upstreams):
            continue
        host = match[2]
        if host not in guesses and len(guesses) < _MOST_GUESSES:
            guesses[host] = nearest(host, upstreams) or (unused[0] if len(unused) == 1 else "")
        if meant := guesses.get(host):
            findings.error(
                proxy_pass.place,
                f"there is no upstream {show(host)}; did you mean {show(meant)}?",
                "nginx takes the name for a host, and does not start when it cannot look it up",
                write("proxy_pass", f"{match[1]}{meant}{match[3]}"),
            )


def host_by_the_client(site: Site, findings: Findings) -> None:
    """Find a ``proxy_pass`` to a host that whoever asks may choose."""
    for _, proxy_pass in site.proxies:
        match = _TARGET.fullmatch(proxy_pass.values[0])
        chosen = [name for name in used(match[2]) if _CLIENTS.fullmatch(name)] if match else []
        if chosen:
            findings.warning(
                proxy_pass.place,
                f"the client chooses the server: ${chosen[0]} is what it sends",
                "anybody reaches through here whatever this machine can reach, itself included",
                "proxy_pass http://UPSTREAM;",
            )


def unused_upstream(site: Site, findings: Findings) -> None:
    """Find upstreams that nothing is passed to."""
    if not site.whole and not any(site.proxies):
        return
    passed = _passed_to(site)
    for name, upstream in _upstreams(site).items():
        if name not in passed:
            findings.warning(
                upstream.place,
                f"the upstream {show(name)} is not used",
                "its servers get no requests",
                write("proxy_pass", f"http://{name}"),
            )


def no_servers(site: Site, findings: Findings) -> None:
    """Find upstreams without a server."""
    for name, upstream in _upstreams(site).items():
        if not _addresses(upstream):
            what = f"the upstream {show(name)} has no server"
            findings.error(
                upstream.place, what, "nginx does not start with it", "server HOST:PORT;"
            )


def suspicious_port(site: Site, findings: Findings) -> None:
    """Find a port that differs from another server's by one digit too few."""
    for upstream in _upstreams(site).values():
        servers = [each for each in upstream.block or () if each.name.text == "server"]
        ports = {match[1]: each for each in servers if (match := _PORT.fullmatch(each.values[0]))}
        for one, other in combinations(list(ports)[:_MOST_SERVERS], 2):
            short, long = sorted((one, other), key=len)
            if _lacks_a_digit(short, long):
                server = ports[short]
                address = server.values[0].removesuffix(short) + long
                findings.warning(
                    server.place,
                    f"port {short} looks like a slip: another server of this upstream has {long}",
                    "if nothing listens there, its share of the WebSockets fails or goes elsewhere",
                    write("server", address, *server.values[1:]),
                )


def keepalive_off(site: Site, findings: Findings) -> None:
    """Find a map to ``close`` that undoes an upstream's keepalive."""
    closing = {}
    for block in site.all("map"):
        for line in block.block or ():
            if line.name.text == "" and line.values == ("close",) and len(block.values) == 2:
                closing[block.values[1].removeprefix("$").lower()] = line
    upstreams = _upstreams(site)
    found: dict[str, tuple[Directive, Directive]] = {}
    for scope, proxy_pass in site.proxies:
        keepalive = _keepalive(proxy_pass, upstreams)
        for name in _connection_variables(scope):
            if keepalive and name in closing:
                found[name] = (closing[name], keepalive)
    for line, keepalive in found.values():
        findings.warning(
            line.place,
            f"'' close turns off the keepalive of line {keepalive.place.line}",
            'plain requests then go out with "Connection: close", each on a connection of its own',
            "'' '';",
        )


def _upstreams(site: Site) -> dict[str, Directive]:
    return {each.values[0]: each for each in site.all("upstream") if each.values}


def _addresses(upstream: Directive) -> list[str]:
    return [each.values[0] for each in upstream.block or () if each.name.text == "server"]


def _passed_to(site: Site) -> set[str]:
    """Return the names that requests are passed to, by way of variables too."""
    texts = [each.values[0] for name in _PASSES for each in site.all(name)]
    if any("$" in text for text in texts):
        texts += [value for each in site.all("set") for value in each.values]
        for block in (*site.all("map"), *site.all("split_clients"), *site.all("geo")):
            texts += [value for line in block.block or () for value in line.values]
    hosts = (match[2] for text in texts if (match := _TARGET.fullmatch(text)))
    return {*texts, *hosts}


def _could_be_an_upstream(host: str, behind: str, upstreams: dict[str, Directive]) -> bool:
    is_a_host = "." in host or "$" in host or "[" in host or host == "localhost"
    return host not in upstreams and not is_a_host and not behind.startswith(":")


def _lacks_a_digit(short: str, long: str) -> bool:
    cuts = (long[:i] + long[i + 1 :] for i in range(len(long)))
    return len(long) >= 4 and short in cuts  # 80 and 8 are no slips


def _keepalive(proxy_pass: Directive, upstreams: dict[str, Directive]) -> Directive | None:
    match = _TARGET.fullmatch(proxy_pass.values[0])
    upstream = upstreams.get(match[2]) if match else None
    inside = upstream.block or () if upstream else ()
    return next((each for each in inside if each.name.text == "keepalive"), None)


def _connection_variables(scope: Scope) -> list[str]:
    connection = scope.header("connection")
    return used(connection.values[1]) if connection else []
