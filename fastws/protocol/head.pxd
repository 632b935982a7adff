"""Heads of HTTP/1.1 messages, from bytes: httptools, and what httptools lets pass.

A head is followed line by line as it arrives, so that limits hold while it drips and a wrong
first line is refused at once. Complete, it goes through httptools in one piece, which makes the
outcome independent of how it was split, and is cut into a table of offsets. Python objects are
made of its parts only for who asks for them.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastws.protocol.headers cimport Known, Table


cdef class Head:
    """What requests and responses have in common."""
    # how big it may grow
    cdef object _limits
    cdef uint32_t _room           # bytes
    cdef uint32_t _most           # header lines

    # while it is incomplete
    cdef bint _over               # complete or refused: nothing more is taken
    cdef bytearray _held          # what has come so far, if it came in pieces
    cdef uint32_t _line           # where the line under way begins
    cdef uint32_t _lines          # complete ones, the first line included

    # once it is complete
    cdef bytes _raw               # without its last byte
    cdef Table table
    cdef uint8_t minor            # of HTTP/1.x
    cdef readonly uint32_t dropped

    # bytes in
    cdef Py_ssize_t take(self, const uint8_t* data, size_t size) except -2
    cdef Py_ssize_t _take(self, const uint8_t* data, size_t size) except -2
    cdef int _hold(self, const uint8_t* data, size_t size, size_t done) except -1
    cdef Py_ssize_t _end(self, const uint8_t* data, size_t size) except -1
    cdef int _follow(self, const uint8_t* data, size_t size) except -1

    # a whole head
    cdef int _cut(self, bint underscores) except -1
    cdef int _nominate(self) except -1
    cdef int hide(self, names) except -1
    cdef int _restart(self) except -1

    # parts of it, as objects
    cdef bytes _first(self, Known known)

    # what requests and responses do each in their way
    cdef int _begun(self, const uint8_t* data, size_t size) except -1
    cdef int _first_line(self, const uint8_t* data, size_t size) except -1
    cdef bint _whole(self, const uint8_t* data, size_t size) except -1
    cdef int _refuse(self, str fault) except -1
    cdef int _too_large(self, str fault) except -1


cdef class RequestHead(Head):
    cdef readonly bytes method
    cdef readonly bytes target
    cdef readonly uint64_t length  # of the body, as declared

    cdef bint upgrades(self) noexcept
    cdef bint chunked(self) noexcept
    cdef int _check_host(self) except -1
    cdef int _check_framing(self) except -1


cdef class ResponseHead(Head):
    cdef readonly int status
    cdef uint32_t _reason_size
    cdef bint _all                 # interim responses count as answers

    cdef bint chunked(self) noexcept
    cdef int _check_framing(self) except -1
