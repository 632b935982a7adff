"""The Host header."""


def host_name(host: bytes) -> bytes:
    """Return the name in a Host header, in lower case, without port and final dot."""
    if host.startswith(b"["):
        return (host.partition(b"]")[0] + b"]").lower()
    return host.partition(b":")[0].removesuffix(b".").lower()


def with_port(host: str, port: int) -> str:
    """Return an address with its port; one of IPv6 gets brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
