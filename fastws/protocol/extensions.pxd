"""Sec-WebSocket-Extensions (RFC 6455 section 9.1), on pointers."""

from libc.stdint cimport uint8_t

from fastws.protocol.headers cimport Text, is_alphanumeric, is_blank


cdef inline bint is_token(uint8_t byte) noexcept nogil:
    """RFC 9110 section 5.6.2."""
    return is_alphanumeric(byte) or byte in b"!#$%&'*+-.^_`|~"


# Each moves `at` behind what it has read; False, or an empty text, if it is not there.

cdef inline void skip_blanks(Text* at) noexcept nogil:
    while at.size and is_blank(at.data[0]):
        step(at)


cdef inline void step(Text* at) noexcept nogil:
    at.data += 1
    at.size -= 1


cdef inline bint take_sign(Text* at, uint8_t sign) noexcept nogil:
    """Read a sign, and the blanks on both sides of it."""
    skip_blanks(at)
    if at.size == 0 or at.data[0] != sign:
        return False
    step(at)
    skip_blanks(at)
    return True


cdef inline Text take_token(Text* at) noexcept nogil:
    cdef Text token = Text(at.data, 0)
    while at.size and is_token(at.data[0]):
        step(at)
        token.size += 1
    return token


cdef inline bint take_quoted(Text* at) noexcept nogil:
    """Read a quoted value; commas and semicolons in it separate nothing."""
    if at.size == 0 or at.data[0] != c'"':
        return False
    step(at)
    while at.size and at.data[0] != c'"':
        if at.data[0] == c"\\" and at.size > 1:
            step(at)
        step(at)
    if at.size == 0:
        return False
    step(at)
    return True


cdef inline bint take_parameter(Text* at) noexcept nogil:
    if take_token(at).size == 0:
        return False
    if not take_sign(at, c"="):
        return True
    return take_token(at).size != 0 or take_quoted(at)


cdef inline bint next_extension(Text* rest, Text* name) noexcept nogil:
    """Read the next extension of one line of the field, with its parameters; at the end `name` is
    empty. False if the line is malformed; it is read in linear time."""
    while rest.size and (is_blank(rest.data[0]) or rest.data[0] == c","):
        step(rest)
    name[0] = take_token(rest)
    if name.size == 0:
        return rest.size == 0
    while take_sign(rest, c";"):
        if not take_parameter(rest):
            return False
    return rest.size == 0 or rest.data[0] == c","
