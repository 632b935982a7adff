"""The relay core, sans-I/O: `Tunnel` is two pipes, and the connections that they join.

    downstream (the client) ── upward ──▶ upstream (the server)
                            ◀─ downward ─

A driver feeds a tunnel with what its two sockets say (`received`, `eof`, `lost`, `drained`,
`tick`) and carries out what the tunnel asks for, the hooks at the end of `Tunnel`. All protocol
policy lives in the two of them, once; drivers only move bytes.
"""

from libc.stdint cimport uint8_t, uint16_t, uint64_t

from fastws._pipe cimport Pipe, Rules, flag


ctypedef int Side

cdef enum:
    DOWNSTREAM = 0
    UPSTREAM = 1


cpdef enum Ending:
    # Why a tunnel ended: the first cause counts. The names stand in the log.
    OPEN = 0
    CLIENT_CLOSED = 1     # the client sent the first close frame
    UPSTREAM_CLOSED = 2   # the server did
    CLIENT_LOST = 3       # the client's connection ended without a close frame
    UPSTREAM_LOST = 4
    RULE = 5              # a side broke a rule of the protocol or of the route
    IDLE = 6
    STALL = 7             # a side took nothing of what was queued for it
    SHUTDOWN = 8
    UNANSWERED = 9        # a side left our pings unanswered
    DRAIN = 10             # an operator wants this one elsewhere


cdef class Relay:
    """Takes what is read from one side, and sees to it that it goes to the other."""
    cdef int received(self, Side side, const uint8_t* data, size_t size) except -1
    cdef uint64_t unseen(self, Side side)
    cdef int passed(self, Side side, size_t size) except -1
    cdef int drained(self, Side side) except -1
    cdef size_t room(self, Side side) except? -1
    cdef object sink(self, Side side)


cdef struct End:
    # one side's connection, as the tunnel sees it
    flag paused       # we stopped reading from it
    flag eof          # it will send no more
    flag finishing    # nothing more goes to it but what is queued
    flag finished     # we sent our end of file
    flag released     # the driver was told to close it
    flag gone         # there is no connection any more


cdef class Tunnel(Relay):
    """Two pipes between two connections, from the 101 to the last byte."""
    cdef readonly Rules rules
    cdef readonly Pipe upward
    cdef readonly Pipe downward
    cdef End ends[2]
    cdef readonly Ending ending
    cdef readonly uint16_t code       # as it stands in the log
    cdef readonly bytes reason
    cdef uint16_t _close_code         # of the close frame that we are sending
    cdef bytes _close_reason
    cdef int _violator                # the side that broke a rule, or -1
    cdef flag _grace                  # the upstream's close frame waits for its answers
    cdef flag _stale                  # the clock has to be wound up
    cdef uint64_t _marked             # `_moved()` when that was last done,
    cdef double _marked_at            # and the time, in seconds

    # what the sockets say
    cdef int eof(self, Side side) except -1
    cdef int lost(self, Side side) except -1
    cdef int tick(self, double now) except -1
    cpdef int shut_down(self, uint16_t code, bytes reason, Ending ending) except -1
    cpdef int abort(self) except -1

    # what a driver asks
    cdef bint is_last(self, Side side) noexcept

    # private: frames
    cdef inline Side _other(self, Side side) noexcept
    cdef inline Pipe _from(self, Side side)
    cdef inline Pipe _to(self, Side side)
    cdef int _forward(self, Side side, const uint8_t* data, size_t size) except -1
    cdef int _restrain(self, Side side, size_t queued) except -1
    cdef int _react(self, Side side, Pipe pipe) except -1
    cdef int _violation(self, Side side, Pipe pipe) except -1
    cdef int _upstream_lost(self, Pipe pipe) except -1
    cdef int _close_both(self, uint16_t code, bytes reason) except -1
    cdef int _end_grace(self) except -1
    cdef int _stop(self, Side side) except -1
    cdef int _write_close(self, Side side, Pipe pipe) except -1

    # private: the end
    cdef void _note(self, Ending ending, uint16_t code, bytes reason) noexcept
    cdef int _settle(self) except -1
    cdef bint _may_finish(self, Side side) noexcept
    cdef int _finish(self, Side side) except -1
    cdef int _finish_flushed(self, Side side) except -1
    cdef int _release_if_over(self, Side side) except -1
    cdef int _drop(self, Side side) except -1
    cdef int _unpause(self, Side side) except -1

    # private: the clock
    cdef inline uint64_t _moved(self)
    cdef int _wind_up(self, double now) except -1
    cdef double _patience(self, bint queued) noexcept
    cdef bint _handshake_over(self, Side side) noexcept
    cdef int _expire(self, bint queued) except -1
    cdef int _ask_if_silent(self, Side side, double now) except -1
    cdef int _ping(self, Side side, Pipe pipe) except -1
    cdef int _give_up(self, Side side) except -1

    # hooks: what a driver does
    cdef size_t _send(self, Side side, const uint8_t* data, size_t size) except? -1
    cdef size_t _queued(self, Side side) except? -1
    cdef size_t _untaken(self, Side side) except? -1
    cdef int _wake_in(self, double seconds) except -1
    cdef int _pause(self, Side side) except -1
    cdef int _resume(self, Side side) except -1
    cdef int _send_eof(self, Side side) except -1
    cdef int _release(self, Side side) except -1
    cdef int _abort(self, Side side) except -1
    cdef int _over(self) except -1
