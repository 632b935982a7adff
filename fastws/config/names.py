"""What routes and trust are written in: host patterns, path prefixes, origins, networks."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from fastws.config.expected import expected
from fastws.config.pattern import compile_pattern

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]", re.ASCII)
_PATH = re.compile(r"/(?:(?![?#%])[!-~]|%(?!00)[0-9a-f]{2})*", re.ASCII | re.IGNORECASE)
# Requests are matched without them.
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.ASCII | re.IGNORECASE)
# What nginx takes for a server_name: an exact name, a wildcard at either end, or a pattern.
_SITE_HOST = re.compile(r"(?:\*\.)?[^\s*/~]+(?:\.\*)?|", re.ASCII)
# RFC 9110, 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[!-~]+", re.ASCII)


def read_host(value: object) -> str:
    """Return a host pattern in lower case: a name, or ``*.name``. Raises ValueError."""
    host = _text(value).lower()
    if not _HOST.fullmatch(host):
        raise expected('a host such as "example.com" or "*.example.com", without a port', value)
    return host


def read_site_host(value: object) -> str:
    """Return a host in lower case: a name, ``*.name``, ``name.*``, or a ``~pattern`` as it is.

    Raises ValueError.
    """
    host = _text(value)
    if host.startswith("~"):
        compile_pattern(host[1:], ignore_case=True)
        return host
    if not _SITE_HOST.fullmatch(host):
        raise expected('a host such as "example.com", "*.example.com" or "www.example.*"', value)
    return host.lower()


def read_header(value: object) -> str:
    """Return a header's name. Raises ValueError."""
    name = _text(value)
    if not _TOKEN.fullmatch(name):
        raise expected("a header's name", value)
    return name


def read_variable(value: object) -> str:
    """Return a variable's name in lower case, without the ``$``. Raises ValueError."""
    name = _text(value)
    if not _VARIABLE.fullmatch(name):
        raise expected("a variable's name, without the $", value)
    return name.lower()


def read_path(value: object) -> str:
    """Return a path prefix: percent-encoded, beginning with a slash. Raises ValueError."""
    path = _text(value)
    if not path.startswith("/"):
        raise expected('a path that begins with "/"', value)
    if not _PATH.fullmatch(path):
        raise expected("a path, percent-encoded and without a query", value)
    if _DOT_SEGMENT.search(path):
        raise expected('a path without "." and ".." segments', value)
    return path


def read_origin(value: object) -> str:
    """Return an origin as browsers write it (RFC 6454, 6.2). Raises ValueError."""
    origin = _text(value)
    host = origin.partition("://")[2]
    if not _ORIGIN.fullmatch(origin) or host != host.lower() or set(host) & set("/*?#@"):
        raise expected('an origin such as "https://example.com"', value)
    return origin


def read_network(value: object) -> IPv4Network | IPv6Network:
    """Return the network that ``"10.0.0.0/8"`` or a single address stands for.

    Raises ValueError.
    """
    try:
        return ip_network(_text(value))
    except ValueError:
        raise expected('a network such as "10.0.0.0/8"', value) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise expected("a text", value)
    return value
