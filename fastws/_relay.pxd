"""The relay core, sans-I/O: `Pipe` is one direction of a tunnel, `Tunnel` the pair.

    downstream (the client) ── upward ──▶ upstream (the server)
                            ◀─ downward ─

A driver feeds a tunnel with what its two sockets say (`received`, `eof`, `lost`, `drained`,
`tick`) and carries out what the tunnel asks for, the hooks at the end of `Tunnel`. All protocol
policy lives here, once; drivers only move bytes.
"""

from libc.stdint cimport uint8_t, uint16_t, uint64_t

from fastws._frame cimport FrameHeader, Utf8


cdef extern from "<stdbool.h>" nogil:
    ctypedef bint flag "_Bool"     # of one byte: there are many of them in an idle tunnel


cdef enum:
    # The base64 of 16 bytes, and that of 20.
    KEY_SIZE = 24
    ACCEPT_SIZE = 28


cdef void write_accept(const uint8_t* key, uint8_t* accept) noexcept nogil


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


cdef class Rules:
    """What a route asks of its tunnels."""
    cdef readonly uint64_t max_message
    cdef readonly flag validate_utf8
    cdef readonly size_t queued_bytes
    cdef readonly double idle, stall, close, linger, ping


cdef struct Span:
    const uint8_t* data
    size_t size


cdef class Pipe:
    """Frames in one direction: walks their headers, and says which bytes may go on."""
    # what may pass
    cdef Rules rules
    cdef flag masked            # the source has to mask, as clients must
    cdef uint8_t rsv_first      # RSV bits allowed on a message's first frame,
    cdef uint8_t rsv_rest       # and on its continuations

    # where in the stream the sink stands: at a frame boundary when `remaining` is 0
    cdef uint64_t remaining     # payload of the data frame under way that is still to come
    cdef flag message_open      # between a frame without FIN and its last continuation
    cdef uint64_t message_size
    cdef uint8_t held_size
    cdef uint8_t* held          # an incomplete header or control frame; NULL if there is none

    # text under validation
    cdef flag checking
    cdef Utf8 utf8
    cdef uint8_t key[4]
    cdef uint64_t key_position

    # pings of ours to the source
    cdef flag heard             # something came from it since the clock was last looked at
    cdef double marked_at       # when it was last heard or asked, in seconds
    cdef uint8_t unanswered     # pings in a row
    cdef flag pinged            # there were any, ever
    cdef flag answers           # and it has answered one
    cdef flag answered          # just now: the pong goes no further

    # what was seen
    cdef readonly uint64_t forwarded  # bytes
    cdef readonly uint64_t messages   # whose end was forwarded
    cdef readonly uint16_t close_code       # 0 until the source's close frame came
    cdef readonly bytes close_reason
    cdef readonly uint16_t verdict    # 0, or the close code that the source has earned
    cdef readonly str why             # the broken rule

    # flow
    cdef flag deaf              # nothing more is read from the source: it closed or failed
    cdef flag stopping          # the next frame boundary is wanted for a close frame of ours
    cdef flag stand_in          # a close frame of ours takes the place of the source's
    cdef readonly flag ended    # the sink has its close frame: nothing more is written to it

    # bytes in, bytes to forward out
    cdef size_t feed(self, const uint8_t* data, size_t size, Span* out) noexcept
    cdef inline bint at_boundary(self) noexcept
    cdef uint64_t unseen(self) noexcept
    cdef void skip(self, size_t size) noexcept

    # private: one frame
    cdef size_t _pass_messages(self, const uint8_t* data, size_t size) noexcept
    cdef bint _hold(self, const uint8_t* data, size_t size) noexcept
    cdef size_t _fill_held(self, const uint8_t* data, size_t size, Span* out) noexcept
    cdef Py_ssize_t _unit(self, const uint8_t* data, size_t size) noexcept
    cdef bint _judge_start(self, const FrameHeader* header) noexcept
    cdef bint _judge_length(self, const FrameHeader* header) noexcept
    cdef Py_ssize_t _control(self, const uint8_t* data, size_t size,
                             const FrameHeader* header) noexcept
    cdef bint _is_answer(self, const uint8_t* payload, size_t size) noexcept
    cdef bint _begin(self, const FrameHeader* header) noexcept
    cdef bint _payload(self, const uint8_t* data, size_t size) noexcept
    cdef bint _check_text(self, const uint8_t* data, size_t size) noexcept
    cdef bint _frame_over(self) noexcept
    cdef bint _close_frame(self, const uint8_t* payload, size_t size) noexcept
    cdef bint _fail_text(self) noexcept
    cdef bint _fail(self, uint16_t code, str why) noexcept


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
