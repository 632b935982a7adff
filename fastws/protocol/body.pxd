"""Where a body ends, and what of it goes on (RFC 9112 sections 6.3 and 7.1).

Bytes go on as they came, except that chunk extensions end here, and what must not stand in
trailers.
"""

from libc.stdint cimport uint8_t, uint64_t

from fastws.protocol.headers cimport Text


cdef class Body:
    cdef readonly bint complete
    cdef readonly str fault       # the broken rule, or None
    cdef readonly uint64_t size   # what has come, without framing

    cdef size_t take(self, const uint8_t* data, size_t size, Text* out) except? 0
    cdef uint64_t unseen(self) noexcept
    cdef int skip(self, size_t size) except -1


cdef class SizedBody(Body):
    cdef uint64_t _left


cdef class StreamBody(Body):
    pass


cdef enum State:
    #   SIZE ─▶ SIZE_LF ─▶ DATA ─▶ DATA_CR ─▶ DATA_LF ─▶ SIZE …
    #    └▶ EXTENSION ▲  └▶ TRAILERS (the last chunk has no data)
    SIZE
    EXTENSION
    SIZE_LF
    DATA
    DATA_CR
    DATA_LF
    TRAILERS


cdef class ChunkedBody(Body):
    cdef readonly bint too_large
    cdef uint64_t _most           # of payload; 0: no limit
    cdef uint64_t _most_trailers
    cdef bint _bare               # only the payload goes on
    cdef State _state
    cdef uint64_t _left           # of the chunk under way
    cdef uint64_t _count          # of digits in its size, of bytes in its extensions, of trailers
    cdef bytearray _trailers      # as they come, then as they go on
    cdef size_t _line             # where in them the line under way begins

    cdef size_t _pass(self, const uint8_t* data, size_t size) noexcept
    cdef bint _framing(self, uint8_t byte) noexcept
    cdef bint _chunk(self) noexcept
    cdef size_t _drop_extension(self, const uint8_t* data, size_t size) noexcept
    cdef size_t _hold_trailers(self, const uint8_t* data, size_t size, Text* out) except? 0
    cdef bint _fail(self, str fault) noexcept
