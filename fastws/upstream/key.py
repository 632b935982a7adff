"""What a request hashes to: a template of variables, compiled once."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastws.protocol.host import host_name
from fastws.protocol.target import normal_path

if TYPE_CHECKING:
    from fastws.config.model import Template
    from fastws.upstream.client import Client

Key = Callable[["Client"], bytes]
CompileKey = Callable[["Template"], Key]


def compile_key(template: Template) -> Key:
    """Return what makes the key of a client."""
    parts = [_variable(part.name) if part.name else _literal(part.text) for part in template]
    if len(parts) == 1:
        return parts[0]
    return lambda client: b"".join([part(client) for part in parts])


def cookie(name: str) -> Key:
    """Return what reads a cookie; nginx does not mind the case of its name."""
    pattern = re.compile(rb"(?:^|;) *%b *= *([^;]*)" % re.escape(name.encode()), re.IGNORECASE)

    def read(client: Client) -> bytes:
        for header in client.request.values(b"cookie"):
            if match := pattern.search(header):
                return match[1]
        return b""

    return read


def binary_remote_addr(client: Client) -> bytes:
    """Return the client's address in 4 or 16 bytes."""
    host = client.host.partition("%")[0]
    if not host:
        return b"unix:"
    return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)


def _literal(text: str) -> Key:
    data = text.encode()
    return lambda _: data


def _variable(name: str) -> Key:
    if name in _VARIABLES:
        return _VARIABLES[name]
    family, _, rest = name.partition("_")
    return _FAMILIES[family](rest)


def _remote_addr(client: Client) -> bytes:
    return client.host.encode() or b"unix:"


def _request_uri(client: Client) -> bytes:
    return client.request.target


def _uri(client: Client) -> bytes:
    return normal_path(client.request.target)


def _args(client: Client) -> bytes:
    return client.request.target.partition(b"?")[2].partition(b"#")[0]


def _host(client: Client) -> bytes:
    return host_name(client.request.host)


def argument(name: str) -> re.Pattern[bytes]:
    """Return the pattern of an argument, whose value is its group; nginx does not mind the case."""
    return re.compile(rb"(?:^|&)%b=([^&]*)" % re.escape(name.encode()), re.IGNORECASE)


def header(name: str) -> Key:
    """Return what reads a header, written with ``_`` for ``-``; of several lines all."""
    written = name.replace("_", "-").encode()
    separator = b"; " if written == b"cookie" else b", "
    return lambda client: separator.join(client.request.values(written))


def _arg(name: str) -> Key:
    pattern = argument(name)

    def read(client: Client) -> bytes:
        match = pattern.search(_args(client))
        return match[1] if match else b""

    return read


_VARIABLES: dict[str, Key] = {
    "remote_addr": _remote_addr,
    "binary_remote_addr": binary_remote_addr,
    "request_uri": _request_uri,
    "uri": _uri,
    "args": _args,
    "query_string": _args,
    "host": _host,
}
_FAMILIES: dict[str, Callable[[str], Key]] = {"arg": _arg, "http": header, "cookie": cookie}
