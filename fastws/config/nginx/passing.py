"""``proxy_pass`` and ``upstream``: where requests are passed on to."""

import re
from pathlib import Path
from typing import Any

import msgspec

from fastws.config.expected import show
from fastws.config.nginx.findings import Findings, Level, Place
from fastws.config.nginx.parser import Directive
from fastws.config.nginx.said import Said, said
from fastws.config.nginx.scope import Scope

Raw = dict[str, Any]

_URL = re.compile(
    r"(https?)://(unix:[^:?]+|\[[^\]/]*\](?::\d+)?|[^/?]*)(.*)", re.IGNORECASE | re.DOTALL
)
_PORTS = {"http": "80", "https": "443"}
_METHODS = ("least_conn", "ip_hash", "hash", "random", "least_time", "sticky")
_BARE = re.compile(r"""[^\s;"'\\]+""")


class Target(msgspec.Struct, frozen=True):
    """The parts of the URL in a ``proxy_pass`` without variables."""

    scheme: str
    authority: str
    uri: str

    @property
    def address(self) -> str:
        """The authority with its port, as an ADDR."""
        if self.authority.startswith("unix:") or re.search(r":\d+$", self.authority):
            return self.authority
        return f"{self.authority}:{_PORTS[self.scheme]}"

    @property
    def host(self) -> str:
        """What nginx's ``$proxy_host`` is: the authority without the scheme's own port."""
        if self.authority.startswith("unix:"):
            return "localhost"
        return self.authority.removesuffix(f":{_PORTS[self.scheme]}")


def read_target(url: str) -> Target | None:
    """Return the parts of a URL, None if it is none."""
    match = _URL.fullmatch(url)
    if match is None or not match[2]:
        return None
    scheme, authority, rest = match.groups()
    uri = rest.removeprefix(":") if authority.startswith("unix:") else rest
    return Target(scheme.lower(), authority, f"/{uri}" if uri.startswith("?") else uri)


class Upstreams:
    """The upstreams that requests are passed on to; one is made for every way they are used.

    ``blocks`` are those that the configuration defines, by name.
    """

    def __init__(self, blocks: dict[str, Directive], findings: Findings, folder: Path) -> None:
        self._blocks = blocks
        self._folder = folder
        self._findings = findings
        self._made: dict[str, Said] = {}
        self._told: set[Place] = set()

    @property
    def all(self) -> list[Said]:
        """All that were made, in the order of their use."""
        return list(self._made.values())

    def use(self, target: Target, scope: Scope, proxy_pass: Directive) -> str:
        """Return the name of the upstream for requests to ``target``."""
        block = self._blocks.get(target.authority)
        if target.scheme == "https":
            self._tell_name(scope)
        tls = _tls(scope, target, self._folder) if target.scheme == "https" else {}
        name = target.authority if block else target.address
        if tls:
            name = f"https://{name}"
        for number in range(2, len(self._made) + 3):
            made = self._made.get(name)
            if made is None:
                break
            if {key: made.value[key] for key in made.value if key.startswith("tls_")} == tls:
                return name
            name = f"{name.partition(' ')[0]} {number}"
        self._made[name] = (
            said({"name": name, **self._block(block, tls=bool(tls)), **tls}, block)
            if block
            else said(
                {"name": name, "servers": [_address(target.address, bool(tls))], **tls}, proxy_pass
            )
        )
        return name

    def _tell_name(self, scope: Scope) -> None:
        """Add that a name is not taken, once for each place that says it."""
        for directive in scope.nearest("proxy_ssl_name"):
            if "$" in directive.values[0] and directive.place not in self._told:
                self._told.add(directive.place)
                what = f"proxy_ssl_name {directive.values[0]}"
                why = "fastws asks for one name, which is proxy_pass's unless another is written"
                self._findings.add(Level.LEFT_OUT, directive.place, what, why)

    def named_in(self, text: str, scope: Scope, proxy_pass: Directive) -> None:
        """Make the upstreams that a URL with variables may come to name."""
        scheme = "https" if text.lower().startswith("https:") else "http"
        for name in self._blocks:
            self.use(Target(scheme, name, ""), scope, proxy_pass)
            if text.startswith("$"):
                self.use(Target("https", name, ""), scope, proxy_pass)

    def _block(self, block: Directive, *, tls: bool) -> Raw:
        raw: Raw = {"servers": []}
        balance = []
        for directive in block.block or ():
            if directive.name.text == "server":
                raw["servers"].append(self._server(directive, tls=tls))
            elif directive.name.text in _METHODS:
                balance.append(directive)
            elif directive.name.text == "keepalive":
                raw["keepalive"] = said(number(directive.values[0]), directive)
            elif directive.name.text == "keepalive_timeout":
                raw["keepalive_timeout"] = said(directive.values[0], directive)
        if balance:
            words = "; ".join(_words(each) for each in balance)
            raw["balance"] = said(words, balance[-1])
        return raw

    def _server(self, directive: Directive, *, tls: bool) -> Said:
        address, *parameters = directive.values
        if not address.startswith("unix:") and not re.search(r":\d+$", address):
            address += ":80"
        raw: Raw = {"address": said(_address(address, tls), directive)}
        for parameter in parameters:
            key, equals, value = parameter.partition("=")
            if key in {"backup", "down"} and not equals:
                raw[key] = True
            elif key in {"weight", "max_conns", "max_fails"}:
                raw[key] = said(number(value), directive)
            elif key == "fail_timeout":
                raw[key] = said(value, directive)
            elif key == "resolve" and not equals:
                pass  # names are looked up anew for every connection
            elif key in {"slow_start", "route", "service", "drain"}:
                why = "fastws does not have it yet"
                self._findings.add(Level.LEFT_OUT, directive.place, f"{key} of a server", why)
            else:
                self._findings.error(
                    directive.place,
                    f"a server of an upstream has no parameter {show(parameter)}",
                    "nginx does not start with it",
                )
        return said(raw, directive)


def _tls(scope: Scope, target: Target, folder: Path) -> Raw:
    """Return how certificates are verified: as nginx does, not at all unless it is asked for."""
    raw: Raw = {"tls_verify": scope.value("proxy_ssl_verify").lower() == "on"}
    if authorities := scope.value("proxy_ssl_trusted_certificate"):
        raw["tls_ca"] = str(folder / authorities)
    if name := _server_name(scope, target):
        raw["tls_server_name"] = name
    return raw


def _server_name(scope: Scope, target: Target) -> str:
    name = scope.value("proxy_ssl_name")
    if name and "$" not in name:
        return name
    host = target.host.partition(":")[0]
    return (
        ""
        if target.host.startswith("[") or "." not in host or host.replace(".", "").isdigit()
        else host
    )


def _address(address: str, tls: bool) -> str:  # noqa: FBT001 - of an address
    return f"wss://{address}" if tls else address


def number(text: str) -> int | str:
    """Return a text as a number if it is one; what is none is told by its path later."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _words(directive: Directive) -> str:
    return " ".join(map(_quoted, (directive.name.text, *directive.values)))


def _quoted(word: str) -> str:
    if _BARE.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
