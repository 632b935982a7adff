"""The Host header."""


def host_name(host: bytes) -> bytes:
    """Return the name in a Host header, in lower case, without port and final dot."""
    if host.startswith(b"["):
        return (host.partition(b"]")[0] + b"]").lower()
    return host.partition(b":")[0].removesuffix(b".").lower()
