"""The body of an HTTP message on its way from one connection to another.

A pump joins two transports. Where they are legs of ours, what is read on one goes to the other
without Python; a transport of the loop has its protocol feed the pump, and pause and resume it.
"""

from libc.stdint cimport uint8_t, uint64_t

from fastws._driver cimport Leg
from fastws._pipe cimport flag
from fastws._relay cimport Relay
from fastws.protocol.body cimport Body


cdef class Pump(Relay):
    cdef readonly Body body
    cdef readonly uint64_t moved  # bytes, framing included, that came
    cdef readonly flag paused     # the sink takes no more: nothing is read from the source
    cdef readonly flag over
    cdef object _owner
    cdef object _source, _sink    # transports,
    cdef Leg _from, _to           # and what they are if they are legs
    cdef size_t _most             # may be queued for the sink
    cdef bytes _rest              # what came behind the body

    cdef int _send(self, const uint8_t* data, size_t size) except -1
    cdef int _restrain(self, size_t queued) except -1
    cdef int _settle(self) except -1
    cdef int _detach(self) except -1
