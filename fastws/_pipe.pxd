"""One direction of a tunnel, sans-I/O: which of the bytes that come from one side may go on.

`Pipe` walks the frame headers in them, and keeps the rules of RFC 6455 and those of the route.
"""

from libc.stdint cimport uint8_t, uint16_t, uint64_t

from fastws._frame cimport FrameHeader


cdef extern from "<stdbool.h>" nogil:
    ctypedef bint flag "_Bool"     # of one byte: there are many of them in an idle tunnel


cdef bytes OURS                    # what a ping of ours says; a pong that says it, too, is for us
cdef object PIPE                   # a Struct: a pipe's state, see `Pipe.state`


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
    cdef uint8_t utf8           # its state, see _utf8.pxd
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
    cdef bint at_boundary(self) noexcept
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
    cdef bint _check_plain(self, const uint8_t* text, size_t size) noexcept
    cdef bint _frame_over(self) noexcept
    cdef bint _close_frame(self, const uint8_t* payload, size_t size) noexcept
    cdef bint _fail_text(self) noexcept
    cdef bint _fail(self, uint16_t code, str why) noexcept
