"""The io_uring driver (Linux 6.0 and later): one ring per worker, which the loop watches through
one descriptor.

Small messages, where system calls are what costs, go through the ring: one standing request
receives whatever comes (multishot) into buffers that the kernel takes from a ring of them, and all
that is to be sent in a round goes out with one system call, from the buffers it was received into.

Bulk, where memory is what costs, does not: a leg whose reads fill the small buffers is only watched
through the ring, and read into the one buffer of the worker, which stays in the cache, and sent
from there.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastws._io_uring cimport Buffer, Ring, Sqe
from fastws._sockets cimport SocketLeg, Sockets


cdef enum Op:
    # What a completion is for: in the low bits of its user data, below the leg's address.
    RECV = 0
    SEND = 1
    READABLE = 2
    WRITABLE = 3
    OVER = 4          # nothing any more


cdef enum:
    BUFFERS = 256
    SMALL = 1280


cdef class Uring(Sockets):
    cdef Ring ring
    cdef list _dirty               # legs that have something to send
    cdef readonly size_t in_flight  # requests that are under way

    cdef size_t _reads             # of bulk, in this turn

    # buffers
    cdef Buffer* _entries
    cdef uint8_t* _memory
    cdef uint16_t _tail
    cdef uint16_t _holders[BUFFERS]
    cdef int _current              # the buffer whose bytes are being delivered, or -1

    # submissions
    cdef Sqe* _next(self, uint8_t opcode) except NULL
    cdef Sqe* _prepare(self, RingLeg leg, int op, uint8_t opcode) except NULL
    cdef int _cancel(self, RingLeg leg, int op) except -1
    cdef int _send_dirty(self) except -1
    cdef bint _enter(self) except -1

    # completions
    cdef int _reap(self) except -1
    cdef int _complete(self, RingLeg leg, int op, int32_t res, uint32_t flags) except -1

    # buffers
    cdef void _release_buffer(self, int buffer) noexcept
    cdef int _buffer_of(self, const uint8_t* data) noexcept


cdef struct Span:
    const uint8_t* data
    size_t size
    int buffer                     # that it lies in,
    void* memory                   # or the memory to free


cdef class RingLeg(SocketLeg):
    cdef Span _span                # what the next round sends, if it needs no copy
    cdef Span _flight              # what is being sent
    cdef uint8_t _pending          # a bit for every kind of request that is under way
    cdef uint8_t _bulk             # so many small reads until it is none any more
    cdef bint _dirty               # in the ring's list

    # completions
    cdef int received(self, int32_t res, uint32_t flags) except -1
    cdef int sent(self, int32_t res) except -1

    # private
    cdef int _spill(self) except -1
    cdef int _soil(self) except -1
    cdef int _fill(self, size_t size) except -1
    cdef bint _may_send(self) noexcept
    cdef void _take_off(self) noexcept
    cdef int _put_back(self, const uint8_t* data, size_t size) except -1
    cdef int _over(self) except -1
    cdef int _cancel_all(self) except -1
    cdef int _ask(self) except -1
