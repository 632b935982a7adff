"""The path of a request as routes see it; the target itself goes on byte for byte."""

import re
from urllib.parse import unquote_to_bytes

from fastws.errors import Reject

_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")


def normal_path(target: bytes) -> bytes:
    """Decode, merge slashes (as nginx's merge_slashes does) and resolve dot segments.

    Raises ``Reject`` (400) for a malformed or NUL escape and for a path that climbs above the
    root: what a route would match and what the upstream would serve could differ.
    """
    path = target.partition(b"?")[0]
    if b"%" in path:
        path = _decoded(path)
    if b"//" in path or b"/." in path:
        path = _resolved(path)
    return path


def _decoded(path: bytes) -> bytes:
    if _MALFORMED.search(path):
        raise Reject(400, "The path holds a malformed or NUL percent escape; correct the URL.")
    return unquote_to_bytes(path)


def _resolved(path: bytes) -> bytes:
    """RFC 3986 section 5.2.4, after empty segments are gone."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if not kept:
                raise Reject(400, "The path climbs above the root; correct the URL.")
            kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    # A last segment of these names a folder, and so ends in a slash.
    folder = kept and path.endswith((b"/", b"/.", b"/.."))
    return b"/" + b"/".join(kept) + (b"/" if folder else b"")
