"""Connections on bare descriptors, from accept or connect to close.

A `SocketLeg` is one connection. Before there is a tunnel it is a transport for the protocol that
speaks HTTP over it (the part of `asyncio.Transport` that these use); then it is a leg. `Sockets`,
one per worker, makes them and tells them what happens; how it learns of that is the driver's
business: see the hooks.
"""

from libc.stdint cimport uint8_t

from fastws._driver cimport Driver, Leg
from fastws._queue cimport Queue
from fastws._pipe cimport flag


cdef failure(int number)


cdef class Sockets:
    cdef Driver driver
    cdef int splice_in, splice_out  # a pipe(7), empty between two calls
    cdef list _ended               # legs that are over, to be told at the end of the turn
    cdef flag _busy                # in a turn
    cdef flag _scheduled           # a turn will come

    # turns
    cdef int wake(self) except -1
    cdef int end(self, SocketLeg leg) except -1
    cdef int _bury(self) except -1
    cdef int _made(self, SocketLeg leg) except -1
    cdef int _fault(self, SocketLeg leg, error) except -1

    # hooks: what a driver does
    cdef SocketLeg _leg(self)
    cdef int _turn(self) except -1


cdef class SocketLeg(Leg):
    cdef Sockets sockets
    cdef object protocol           # who is told what happens, until a tunnel is
    cdef object _error             # what broke the connection
    cdef int fd
    cdef Queue _queue
    cdef flag connecting
    cdef flag large                # big messages come: their payload is spliced
    cdef flag wanted               # somebody wants to read
    cdef flag eof                  # there is nothing more to read
    cdef flag full                 # the protocol was told to pause writing
    cdef flag finishing            # the end of file goes behind what is queued,
    cdef flag closing              # or the end of the connection
    cdef flag closed               # nothing is done any more but to say so
    cdef flag resting              # nothing is asked for: the tunnel may move

    cdef int begin(self, Sockets sockets, int fd, protocol) except -1

    # what the descriptor says
    cdef int readable(self) except -1
    cdef int writable(self) except -1
    cdef int connected(self) except -1
    cdef int deliver(self, const uint8_t* data, size_t size) except -1
    cdef int ended(self) except -1
    cdef int failed(self, int number) except -1
    cdef int drained(self) except -1
    cdef int lost(self) except -1

    # private
    cdef bint _splice(self) except -1
    cdef int _unload(self, SocketLeg sink, size_t size) except -1
    cdef int _more(self) noexcept
    cdef int _send_now(self, const uint8_t* data, size_t size) except -1
    cdef int _enqueue(self, const uint8_t* data, size_t size) except -1
    cdef int _forget(self) except -1

    # hooks: what a driver does
    cdef int _watch(self) except -1
    cdef int _unwatch(self) except -1
    cdef int _await_room(self) except -1
    cdef int _let_go(self) except -1
