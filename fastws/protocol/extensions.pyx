"""Sec-WebSocket-Extensions: the names in it, and what an agreed extension does to frames."""

cdef int RSV = 0x70
cdef int RSV1 = 0x40


def parse(values):
    cdef bytes value
    cdef Text rest, name
    cdef list found = []
    # A line is parsed by itself: joined, an open quote could swallow the next line.
    for value in values:
        rest = Text(value, len(value))
        while True:
            if not next_extension(&rest, &name):
                raise ValueError("malformed Sec-WebSocket-Extensions")
            if name.size == 0:
                break
            found.append(name.data[:name.size])
    return tuple(found)


def rsv_rules(agreed):
    cdef int first = 0
    cdef int rest = 0
    for name in agreed:
        if name == b"permessage-deflate":
            first |= RSV1  # RFC 7692 section 6: only the first frame says "compressed"
        else:
            first |= RSV
            rest |= RSV
    return first, rest
