"""The transport driver: tunnels between two transports of the loop.

`TransportDriver`, one per worker, owns the reading buffer and the clock; `TransportTunnel` fills in
the hooks of `Tunnel`; a `Leg` is the protocol of one connection, and knows how to write to it.
"""

from libc.stdint cimport uint8_t

from fastws._relay cimport Side, Tunnel


cdef class TransportDriver:
    cdef object loop
    cdef bytearray _buffer
    cdef object view               # of the buffer, as the loop wants it
    cdef uint8_t* data             # its first byte
    cdef set tunnels
    cdef object _timer
    cdef double _interval


cdef class TransportTunnel(Tunnel):
    cdef TransportDriver driver
    cdef Leg _downstream
    cdef Leg _upstream
    cdef object _on_over

    cdef inline Leg _leg(self, Side side)
    cdef int check(self, double now) except -1


cdef class Leg:
    cdef TransportTunnel tunnel
    cdef object transport
    cdef Side side
    cdef bint broken               # what is written goes nowhere any more

    cdef size_t send(self, const uint8_t* data, size_t size) except? -1
    cdef size_t queued(self) except? -1
    cdef size_t untaken(self) except? -1
    cdef int send_eof(self) except -1
    cdef int check(self, bint eof) except -1
    cdef int forget(self) except -1


cdef class PlainLeg(Leg):
    cdef int fd
    cdef uint8_t* _queue           # allocated while something is queued
    cdef size_t _start, _end, _capacity
    cdef int _writer               # the descriptor that waits for room, or -1

    cdef Py_ssize_t _write(self, const uint8_t* data, size_t size) noexcept
    cdef int _enqueue(self, const uint8_t* data, size_t size) except -1
    cdef int _flush(self) except -1
    cdef int _clear(self) except -1


cdef class TlsLeg(Leg):
    pass
