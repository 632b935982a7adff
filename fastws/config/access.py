"""Who may come, as nginx's directives say it: ``allow 10.0.0.0/8``, ``deny all``."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec

from fastws.config.expected import expected


class Access(msgspec.Struct, frozen=True):
    """Whether the clients of ``network`` may come; None means all, and "unix:" Unix sockets."""

    allow: bool
    network: IPv4Network | IPv6Network | str | None = None

    def __str__(self) -> str:
        return f"{'allow' if self.allow else 'deny'} {self.network or 'all'}"


def read_access(value: object) -> Access:
    """Return what the text says. Raises ValueError."""
    words = value.split() if isinstance(value, str) else []
    match words:
        case ["allow" | "deny" as verb, "all"]:
            return Access(verb == "allow")
        case ["allow" | "deny" as verb, "unix:"]:
            return Access(verb == "allow", "unix:")
        case ["allow" | "deny" as verb, network]:
            return Access(verb == "allow", _network(network, value))
    raise expected('"allow" or "deny" and a network or "all"', value)


def _network(text: str, value: object) -> IPv4Network | IPv6Network:
    try:
        # nginx takes bits of the host for a slip, and goes on
        return ip_network(text, strict=False)
    except ValueError:
        raise expected('a network such as "10.0.0.0/8" or "all"', value) from None
