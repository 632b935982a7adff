"""What the drivers have in common.

A `Leg` is one connection of a tunnel, of a kind that its driver knows how to move bytes through.
`LegTunnel` joins two of them, of whichever kinds, and fills in the hooks of `Tunnel`. `Driver`,
one per worker, keeps the tunnels and their clock, and the buffer that is read into.
"""

from libc.stdint cimport uint8_t

from fastws._pipe cimport flag
from fastws._relay cimport Relay, Side, Tunnel


cdef enum:
    # One receive may bring this much: a message of 64 KiB whole. A stalled direction may have to
    # queue it.
    BUFFER_SIZE = 128 * 1024


cdef size_t room_beside(size_t queued) noexcept


cdef class Driver:
    cdef readonly object loop
    cdef bytearray _buffer
    cdef object view               # of the buffer, as the loop wants it
    cdef uint8_t* data             # its first byte
    cdef LegTunnel _first          # of the tunnels that are open, in a list
    cdef LegTunnel _looking        # the next of them that is to look at the clock
    cdef size_t _count
    cdef object _timer
    cdef public double interval

    cdef int _link(self, LegTunnel tunnel, Leg downstream, Leg upstream, passage) except -1
    cdef int _unlink(self, LegTunnel tunnel) except -1


cdef class LegTunnel(Tunnel):
    cdef Driver driver
    cdef Leg _downstream
    cdef Leg _upstream
    cdef readonly object passage   # what the log is to be told at the end
    cdef readonly flag resting     # nothing is read: it may move to another process
    cdef object _told              # who is to be told when nothing is under way any more
    cdef object _farewell          # a close that was asked for meanwhile
    cdef LegTunnel _previous       # in the driver's list
    cdef LegTunnel _next

    cdef inline Leg _leg(self, Side side)
    cdef int check(self, double now) except -1

    # moving
    cdef bint _movable(self) noexcept
    cdef int look(self) except -1


cdef class Leg:
    cdef LegTunnel tunnel
    cdef Side side
    cdef Relay reader              # who takes what is read, if it is not for a protocol
    cdef Relay writer              # who else than a tunnel is to know when nothing is queued
    cdef flag broken               # what is written goes nowhere any more

    cdef int attach(self, LegTunnel tunnel, Side side) except -1

    cdef size_t send(self, const uint8_t* data, size_t size) except? -1
    cdef size_t queued(self) except? -1
    cdef size_t untaken(self) except? -1
    cdef int pause(self) except -1
    cdef int resume(self) except -1
    cdef int send_eof(self) except -1
    cdef int release(self) except -1
    cdef int drop(self) except -1
    cdef int check(self, bint eof) except -1

    # a tunnel that moves
    cdef bint movable(self) noexcept
    cdef int rest(self) except -1
    cdef bint at_rest(self) noexcept
    cdef int go_on(self) except -1
    cdef bytes backlog(self)
    cdef int leave(self) except -1
