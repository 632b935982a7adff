"""``listen`` and the certificates of servers: the listeners."""

import os
import re
import socket
from pathlib import Path
from typing import Any

import msgspec

from fastws.config.expected import show
from fastws.config.nginx.findings import Findings, Level
from fastws.config.nginx.parser import Directive
from fastws.config.nginx.said import Said, said
from fastws.config.nginx.scope import Scope

Raw = dict[str, Any]

_PLACE = re.compile(
    r"(?:(\[[^\]]*\]|[^:\[\]]*):)?(\d+)(?:-(\d+))?|(\[[^\]]*\]|[^:\[\]]+)", re.ASCII
)
_MOST_PORTS = 1000
_WILDCARDS = {"": "0.0.0.0", "*": "0.0.0.0"}
# What says how the kernel should hold the socket: fastws has its own ways.
_OF_SOCKETS = re.compile(
    r"bind|deferred|reuseport|multipath|(?:backlog|rcvbuf|sndbuf|fastopen|setfib|accept_filter"
    r"|so_keepalive|ipv6only)=.*"
)
_VERSIONS = ("TLSv1.2", "TLSv1.3")


class Listen(msgspec.Struct, frozen=True):
    """One address that a server listens on."""

    address: str
    directive: Directive
    tls: bool
    default: bool
    announced: bool


class Listening:
    """The addresses of all servers."""

    def __init__(self, findings: Findings, folder: Path) -> None:
        self._findings = findings
        self._folder = folder
        self._servers: list[tuple[Scope, list[Listen]]] = []

    def add(self, server: Scope) -> list[Listen]:
        """Return the addresses of a server; without a ``listen`` it is port 80, or 8000."""
        found = [each for directive in server.own("listen") for each in self._read(directive)]
        if not server.own("listen") and server.directive:
            port = 80 if os.geteuid() == 0 else 8000
            address = f"0.0.0.0:{port}"
            found = [Listen(address, server.directive, tls=False, default=False, announced=False)]
        self._servers.append((server, found))
        return found

    def listeners(self, hosts: dict[int, list[str]]) -> list[Said]:
        """Return the listeners; ``hosts`` are those of the servers, in the order of `add`."""
        places = {each.address: each for _, found in self._servers for each in found}
        return [
            self._listener(address, first.directive, hosts)
            for address, first in places.items()
            if not _is_covered(address, places)
        ]

    def _listener(self, address: str, first: Directive, hosts: dict[int, list[str]]) -> Said:
        here = [
            (number, server, each)
            for number, (server, found) in enumerate(self._servers)
            for each in found
            if each.address == address or _covers(address, each.address)
        ]
        announced = self._announced([each for _, _, each in here])
        if not any(each.tls for _, _, each in here):
            return said({"address": address, **announced}, first)
        default = next((one for one in here if one[2].default), here[0])
        raw: Raw = {"address": f"wss://{address}", **announced, **self._tls(default[1])}
        others = [
            said({"hosts": hosts[number], **pair}, each.directive)
            for number, server, each in here
            if server is not default[1] and hosts[number]
            for pair in self._pairs(server)[:1]
        ]
        if others:
            raw["certificates"] = others
        if default[1].value("ssl_reject_handshake").lower() == "on":
            raw["tls_refuse_unknown"] = True
        mine = self._pairs(default[1]) or [each.value for each in others]
        if mine:
            raw |= {key: value for key, value in mine[0].items() if key != "hosts"}
        return said(raw, first)

    def _announced(self, here: list[Listen]) -> Raw:
        """Return whether a PROXY header comes first; where one listen says so, it holds for all."""
        saying = [each for each in here if each.announced]
        if not saying:
            return {}
        places = {each.address for each in saying}
        for each in here:
            if each.address not in places:
                what = f"a PROXY header is expected at {saying[0].address}, and not here"
                why = "fastws has one socket for both"
                self._findings.error(each.directive.place, what, why)
        return {"proxy_protocol": True}

    def _tls(self, server: Scope) -> Raw:
        raw: Raw = {}
        if versions := server.nearest("ssl_protocols"):
            known = [each for each in versions[0].values if each in _VERSIONS]
            raw["tls_versions"] = said(known, versions[0])
            if len(known) < len(versions[0].values):
                why = "RFC 8996 and RFC 7568 took them out of use"
                what = "versions before TLSv1.2 are not offered"
                self._findings.add(Level.NOTE, versions[0].place, what, why)
        if ciphers := server.nearest("ssl_ciphers"):
            raw["tls_ciphers"] = said(ciphers[0].values[0], ciphers[0])
        return raw

    def _pairs(self, server: Scope) -> list[Raw]:
        """Return the certificates of a server with their keys."""
        certificates = server.nearest("ssl_certificate")
        keys = server.nearest("ssl_certificate_key")
        if len(certificates) != len(keys):
            self._findings.error(
                (certificates or keys)[0].place,
                "there are more certificates than keys"
                if len(certificates) > len(keys)
                else "there are more keys than certificates",
                "nginx does not start with it",
            )
        for more in certificates[1:]:
            why = "fastws has one certificate for a server"
            self._findings.add(Level.LEFT_OUT, more.place, "a second ssl_certificate", why)
        return [
            {
                "tls_cert": said(str(self._folder / certificate.values[0]), certificate),
                "tls_key": said(str(self._folder / key.values[0]), key),
            }
            for certificate, key in zip(certificates, keys, strict=False)
        ]

    def _read(self, directive: Directive) -> list[Listen]:
        where, *parameters = directive.values
        tls = default = announced = both = False
        for parameter in parameters:
            match parameter:
                case "ssl":
                    tls = True
                case "default_server" | "default":
                    default = True
                case "ipv6only=off":
                    both = True
                case "http2":
                    why = "fastws offers HTTP/1.1 only; clients that know HTTP/2 speak it too"
                    self._findings.add(Level.NOTE, directive.place, "http2 is not offered", why)
                case "quic":
                    why = "fastws speaks HTTP over TCP"
                    self._findings.add(Level.LEFT_OUT, directive.place, "listen quic", why)
                    return []
                case "proxy_protocol":
                    announced = True
                case _ if not _OF_SOCKETS.fullmatch(parameter):
                    what = f"a listen has no parameter {show(parameter)}"
                    self._findings.error(directive.place, what, "nginx does not start with it")
        return [
            Listen(
                f":{address[5:]}" if both and address.startswith("[::]:") else address,
                directive,
                tls=tls,
                default=default,
                announced=announced,
            )
            for address in self._addresses(where, directive)
        ]

    def _addresses(self, where: str, directive: Directive) -> list[str]:
        if where.startswith("unix:"):
            return [where]
        match = _PLACE.fullmatch(where)
        ports = range(80, 81)
        if match and match[2] and len(match[2]) <= 5:
            first = int(match[2])
            ports = range(first, int((match[3] or match[2])[:6]) + 1)
        elif match and match[2]:
            match = None
        if match is None or not 1 <= len(ports) <= _MOST_PORTS or not 1 <= ports[0] <= 65535:
            what = f"{show(where)} is no address to listen on"
            self._findings.error(directive.place, what, "nginx does not start with it")
            return []
        return [
            f"{host}:{port}"
            for port in ports
            for host in self._hosts(match[1] or match[4] or "", directive)
        ]

    def _hosts(self, name: str, directive: Directive) -> list[str]:
        """Return the addresses that a name stands for; nginx too looks it up but once."""
        if name in _WILDCARDS:
            return [_WILDCARDS[name]]
        if name.startswith("["):
            return [name]
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            what = f"the name {show(name)} has no address to listen on"
            self._findings.error(directive.place, what, "nginx does not start with it")
            return []
        hosts = dict.fromkeys(str(place[0]) for _, _, _, _, place in found)
        return [f"[{host}]" if ":" in host else host for host in hosts]


def _is_covered(address: str, places: dict[str, Listen]) -> bool:
    return any(_covers(other, address) for other in places)


def _covers(wide: str, address: str) -> bool:
    """Whether a socket at ``wide`` gets what is for ``address`` too."""
    host, _, port = wide.rpartition(":")
    if wide == address or address.startswith("unix:") or not address.endswith(f":{port}"):
        return False
    return host == "" or host == ("[::]" if address.startswith("[") else "0.0.0.0")
