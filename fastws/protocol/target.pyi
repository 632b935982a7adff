"""The path of a request as routes see it; the target itself goes on byte for byte."""

def normal_path(target: bytes) -> bytes:
    """Decode, merge slashes (as nginx's merge_slashes does) and resolve dot segments.

    Raises ``Reject`` (400) for a malformed or NUL escape and for a path that climbs above the
    root: what a route would match and what the upstream would serve could differ.
    """
