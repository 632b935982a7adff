"""The Host header, and how hosts are written."""


def host_name(host: bytes) -> bytes:
    """Return the name in a Host header, in lower case, without port and final dot."""
    if host.startswith(b"["):
        return (host.partition(b"]")[0] + b"]").lower()
    return host.partition(b":")[0].removesuffix(b".").lower()


def written(host: str, port: int) -> str:
    """Return an address with its port, unless that is 0; there is no host behind a Unix socket."""
    if not host:
        return "unix:"
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
