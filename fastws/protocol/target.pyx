"""The path of a request as routes see it; the target itself goes on byte for byte."""

import re
from urllib.parse import unquote_to_bytes

from fastws.errors import Reject

from libc.stdint cimport uint8_t

cdef object MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")


def normal_path(bytes target not None):
    cdef Py_ssize_t size = path_size(target, len(target))
    cdef bint clean = is_clean(target, size)
    cdef bytes path = target if size == len(target) else target[:size]
    if clean:
        return path
    if b"%" in path:
        path = decoded(path)
    if b"//" in path or b"/." in path:
        path = resolved(path)
    return path


cdef Py_ssize_t path_size(const uint8_t* target, Py_ssize_t size) noexcept nogil:
    """Up to the query."""
    cdef Py_ssize_t i = 0
    while i < size and target[i] != c"?":
        i += 1
    return i


cdef bint is_clean(const uint8_t* path, Py_ssize_t size) noexcept nogil:
    """Is there nothing to decode, merge or resolve?"""
    cdef Py_ssize_t i
    for i in range(size):
        if path[i] == c"%":
            return False
        if path[i] == c"/" and i + 1 < size and path[i + 1] in b"/.":
            return False
    return True


cdef bytes decoded(bytes path):
    if MALFORMED.search(path):
        raise Reject(400, "The path holds a malformed or NUL percent escape; correct the URL.")
    return unquote_to_bytes(path)


cdef bytes resolved(bytes path):
    """RFC 3986 section 5.2.4, after empty segments are gone."""
    cdef list kept = []
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
