"""The transport driver: legs over transports of the loop.

The driver for TLS, and for systems where no other one works. The loop reads, into the worker's one
buffer.
"""

from libc.stdint cimport uint8_t

from fastws._driver cimport Leg
from fastws._pipe cimport flag
from fastws._queue cimport Queue


cdef class TransportLeg(Leg):
    cdef object transport
    cdef size_t _room              # of the buffer that the loop reads into

    cdef int let_others_read(self) except -1
    cdef int forget(self) except -1


cdef class PlainLeg(TransportLeg):
    cdef int fd
    cdef flag _wanted              # the tunnel wants to read,
    cdef flag _waiting             # and does when others have had their turn
    cdef int _writer               # the descriptor that waits for room, or -1
    cdef Queue _queue

    cdef Py_ssize_t _write(self, const uint8_t* data, size_t size) noexcept
    cdef int _enqueue(self, const uint8_t* data, size_t size) except -1
    cdef int _flush(self) except -1
    cdef int _clear(self) except -1


cdef class TlsLeg(TransportLeg):
    pass
