"""ADDR: where to listen, or where an upstream server is.

    :8080  127.0.0.1:8080  [::1]:8080  host:port  unix:/path

each with ``ws://`` (what no scheme means) or ``wss://`` before it; ``http://`` and ``https://``
are synonyms of the two.
"""

import re
from ipaddress import IPv6Address

import msgspec

from fastws.config.expected import expected

_TLS = {"ws": False, "http": False, "wss": True, "https": True}
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):([0-9]{1,5})", re.ASCII)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII | re.IGNORECASE)

_AN_ADDRESS = 'an address such as "127.0.0.1:8080"'
_NOT_IN_AN_ADDRESS = {"@": "user name", "?": "query", "#": "fragment", "/": "path"}

# What sockaddr_un holds on Linux, less its terminating NUL.
_LONGEST_UNIX_PATH = 107


class Address(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One end of a connection: a TCP address, or a Unix socket when ``path`` is set.

    An empty ``host`` means all interfaces, IPv4 and IPv6; an IPv6 host stands without brackets.
    ``str()`` gives the canonical text, which reads back as the same address.
    """

    tls: bool = False
    host: str = ""
    port: int = 0
    path: str | None = None

    @property
    def authority(self) -> str:
        """The address without its scheme: ``host:port``, or ``unix:/path``."""
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        if self.tls:
            return f"wss://{self.authority}"
        return self.authority if self.path is not None else f"ws://{self.authority}"


def read_listen_address(value: object) -> Address:
    """Return the address that an ADDR to listen on stands for; port 0 lets the kernel choose.

    Raises ValueError.
    """
    return _parse(value)


def read_server_address(value: object) -> Address:
    """Return the address that an upstream's ADDR stands for; it needs a host and a port.

    Raises ValueError.
    """
    address = _parse(value)
    if address.path is None and not address.host:
        raise ValueError(f'an upstream needs a host, as in "127.0.0.1:{address.port}"')
    if address.path is None and address.port == 0:
        raise ValueError("an upstream needs a port from 1 to 65535")
    return address


def _parse(value: object) -> Address:
    if not isinstance(value, str):
        raise expected(_AN_ADDRESS, value)
    tls, rest = _split_scheme(value)
    if rest.startswith("unix:"):
        return Address(tls=tls, path=_unix_path(rest.removeprefix("unix:")))
    rest = rest.removesuffix("/")
    _refuse_more_than_an_address(rest)
    match = _HOST_PORT.fullmatch(rest)
    if match is None:
        raise _not_an_address(rest)
    return Address(tls=tls, host=_host(match[1]), port=_port(match[2]))


def _split_scheme(text: str) -> tuple[bool, str]:
    scheme, separator, rest = text.rpartition("://")
    if not separator:
        return False, text
    if scheme.lower() not in _TLS:
        raise expected("the scheme ws:// or wss://", scheme)
    return _TLS[scheme.lower()], rest


def _unix_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError('a Unix socket has an absolute path; write "unix:/path"')
    if not path.isprintable() or len(path.encode()) > _LONGEST_UNIX_PATH:
        raise ValueError(f"a Unix socket's path has at most {_LONGEST_UNIX_PATH} printable bytes")
    return path


def _refuse_more_than_an_address(text: str) -> None:
    for mark, part in _NOT_IN_AN_ADDRESS.items():
        if mark in text:
            raise ValueError(f"an address has no {part}; leave it out")


def _not_an_address(text: str) -> ValueError:
    if text.isascii() and text.isdigit():
        return ValueError(f'a port alone is not an address; write ":{text}"')
    if text.count(":") > 1 and "[" not in text:
        return expected('brackets around an IPv6 address, as in "[::1]:8080"', text)
    if ":" not in text:
        return expected('a host and a port, as in "127.0.0.1:8080"', text)
    return expected(_AN_ADDRESS, text)


def _host(text: str) -> str:
    if text.startswith("["):
        return _ipv6(text[1:-1])
    if text and not _NAME.fullmatch(text):
        raise expected("a host name or an address", text)
    return text.lower()


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise expected("an IPv6 address in the brackets", text) from None


def _port(text: str) -> int:
    port = int(text)
    if port > 65535:
        raise expected("a port of at most 65535", port)
    return port
