"""The variables of sites: functions of a `Visit`, and texts compiled to such functions."""

from __future__ import annotations

import binascii
import os
import secrets
import socket
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from fastws.protocol.host import host_name
from fastws.proxy import late
from fastws.proxy.sites.maps import lookup
from fastws.upstream import key

if TYPE_CHECKING:
    from fastws.config.model import Map, Template
    from fastws.proxy.sites.visit import Visit

Value = Callable[["Visit"], bytes]

_REQUEST_ID = "request_id"


class Variables:
    """All variables of a configuration."""

    def __init__(self, maps: Iterable[Map] = ()) -> None:
        written = list(maps)
        self._mapped = {each.variable for each in written}
        self._maps = {each.variable: lookup(each, self) for each in written}

    def named(self, name: str) -> Value:
        """Return the function of a variable; one that nothing defines is empty until it is set."""
        if name in self._mapped:
            # Not made yet, where maps ask for maps.
            return lambda visit: self._maps[name](visit)  # noqa: PLW0108
        return _built_in(name) or (lambda visit: visit.values.get(name, b""))

    def is_set(self, name: str) -> bool:
        """Whether a variable's value is the configuration's, so that it is one if it is empty."""
        return name in self._mapped or _built_in(name) is None

    def key(self, template: Template) -> key.Key:
        """Return the function of what an upstream hashes; it is asked with a visit, as all are."""
        return cast("key.Key", self.text(template))

    def text(self, template: Template) -> Value:
        """Return the function of a text."""
        parts = [self.named(part.name) if part.name else _literal(part.text) for part in template]
        if not parts:
            return _nothing
        if len(parts) == 1:
            return parts[0]
        return lambda visit: b"".join([part(visit) for part in parts])


def _built_in(name: str) -> Value | None:
    """Return the function of a variable that is nginx's own."""
    if name in late.VARIABLES:
        return _late(late.VARIABLES[name])
    if name in _VARIABLES:
        return _VARIABLES[name]
    if len(name) == 1 and name in "123456789":
        return _group(int(name))
    family, _, rest = name.partition("_")
    if rest and family in _FAMILIES:
        return _FAMILIES[family](rest)
    for prefix, family_of_answers in _OF_ANSWERS.items():
        if name.startswith(prefix):
            return family_of_answers(name.removeprefix(prefix))
    return None


def _late(read: late.Late) -> Value:
    return lambda visit: read(visit.trace)


def _nothing(_: Visit) -> bytes:
    return b""


def _literal(text: str) -> Value:
    data = text.encode()
    return lambda _: data


def _group(number: int) -> Value:
    def read(visit: Visit) -> bytes:
        match = visit.match
        if match is None or match.re.groups < number:
            return b""
        return match[number] or b""

    return read


def _arg(name: str) -> Value:
    pattern = key.argument(name)

    def read(visit: Visit) -> bytes:
        match = pattern.search(visit.args)
        return match[1] if match else b""

    return read


def _sent_header(name: str) -> Value:
    header = name.replace("_", "-").encode()

    def read(visit: Visit) -> bytes:
        response = visit.response
        passed = response.values(header) if response and header not in visit.hidden else []
        return b", ".join(
            [*passed, *(value for name, value in visit.added if name.lower() == header)]
        )

    return read


def _answer_header(name: str) -> Value:
    header = name.replace("_", "-").encode()

    def read(visit: Visit) -> bytes:
        response = visit.response
        return b", ".join(response.values(header)) if response else b""

    return read


def _remote_addr(visit: Visit) -> bytes:
    return visit.host.encode() or b"unix:"


def _host(visit: Visit) -> bytes:
    hosts = visit.request.values(b"host")
    return host_name(hosts[0]) if hosts and hosts[0] else visit.site.name


def _forwarded_for(visit: Visit) -> bytes:
    return b", ".join([*visit.request.values(b"x-forwarded-for"), _remote_addr(visit)])


def _server_port(visit: Visit) -> bytes:
    return b"%d" % visit.listener[1]


def _remote_port(visit: Visit) -> bytes:
    return b"%d" % visit.port if visit.port else b""


def _realip_remote_port(visit: Visit) -> bytes:
    downstream = visit.incoming.downstream
    return b"%d" % downstream.port if downstream.host else b""


def _announced(end: str, part: int) -> Value:
    """Return what reads the address or the port of an end from the PROXY header."""

    def read(visit: Visit) -> bytes:
        place = getattr(visit.incoming.downstream.announced, end, None)
        return str(place[part]).encode() if place else b""

    return read


def _server_protocol(visit: Visit) -> bytes:
    version = visit.request.version
    return b"HTTP/%d.%d" % version if version else b""


def _request_id(visit: Visit) -> bytes:
    values = visit.values
    if _REQUEST_ID not in values:
        values[_REQUEST_ID] = secrets.token_hex(16).encode()
    return values[_REQUEST_ID]


def _header(name: bytes) -> Value:
    return lambda visit: b", ".join(visit.request.values(name))


def _remote_user(visit: Visit) -> bytes:
    """Return the name in an Authorization header of the Basic scheme (RFC 7617)."""
    scheme, _, rest = b"".join(visit.request.values(b"authorization")[:1]).partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        user, colon, _ = b64decode(rest.strip()).partition(b":")
    except binascii.Error:
        return b""
    return user if colon else b""


def _status(visit: Visit) -> bytes:
    status = visit.trace.status or visit.status
    return b"%03d" % status if status else b""


def _cipher(part: int) -> Value:
    """Return what reads a part of what a connection over TLS agreed on: the cipher, the version."""

    def read(visit: Visit) -> bytes:
        downstream = visit.incoming.downstream
        found = downstream.transport.get_extra_info("cipher") if downstream.tls else None
        return found[part].encode() if found else b""

    return read


_VARIABLES: dict[str, Value] = {
    "args": lambda visit: visit.args,
    "binary_remote_addr": key.binary_remote_addr,
    "connection": lambda visit: b"%d" % visit.incoming.downstream.number,
    "content_length": _header(b"content-length"),
    "content_type": _header(b"content-type"),
    "document_uri": lambda visit: visit.path,
    "gzip_ratio": _nothing,
    "host": _host,
    "hostname": lambda _: socket.gethostname().encode(),
    "http2": _nothing,
    "http3": _nothing,
    "https": lambda visit: b"on" if visit.incoming.downstream.tls else b"",
    "is_args": lambda visit: b"?" if visit.args else b"",
    "nginx_version": _nothing,
    "pid": lambda _: b"%d" % os.getpid(),
    "proxy_add_x_forwarded_for": _forwarded_for,
    "proxy_host": lambda visit: visit.proxy_host,
    "proxy_port": lambda visit: visit.proxy_port,
    "proxy_protocol_addr": _announced("source", 0),
    "proxy_protocol_port": _announced("source", 1),
    "proxy_protocol_server_addr": _announced("destination", 0),
    "proxy_protocol_server_port": _announced("destination", 1),
    "query_string": lambda visit: visit.args,
    "realip_remote_addr": lambda visit: visit.incoming.downstream.host.encode() or b"unix:",
    "realip_remote_port": _realip_remote_port,
    "remote_addr": _remote_addr,
    "remote_port": _remote_port,
    "remote_user": _remote_user,
    "request": lambda visit: visit.request.line,
    "request_body": _nothing,
    "request_filename": _nothing,
    "request_id": _request_id,
    "request_method": lambda visit: visit.method,
    "request_uri": lambda visit: visit.request.target,
    "scheme": lambda visit: b"https" if visit.incoming.downstream.tls else b"http",
    "server_addr": lambda visit: visit.listener[0].encode(),
    "server_name": lambda visit: visit.site.name,
    "server_port": _server_port,
    "server_protocol": _server_protocol,
    "ssl_cipher": _cipher(0),
    "ssl_protocol": _cipher(1),
    "status": _status,
    "upstream_cache_status": _nothing,
    "uri": lambda visit: visit.path,
}
_FAMILIES: dict[str, Callable[[str], Value]] = {
    "arg": _arg,
    "http": key.header,
    "cookie": key.cookie,
}
_OF_ANSWERS: dict[str, Callable[[str], Value]] = {
    "sent_http_": _sent_header,
    "upstream_http_": _answer_header,
}
