"""See _relay.pxd, the table of contents."""

from functools import lru_cache
from os import urandom
from struct import Struct
from zlib import crc32

from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint16_t, uint64_t

from fastws._frame cimport (
    ABNORMAL_CLOSURE,
    BAD_GATEWAY,
    CLOSE,
    GOING_AWAY,
    MAX_CONTROL_PAYLOAD,
    MAX_REASON,
    PING,
)
from fastws._mask cimport xor_mask
from fastws._pipe cimport OURS, PIPE, Pipe, Rules, Span

# So many pings in a row without a sign of life, and the side is dead.
cdef int MISSES = 2

# When a client breaks a rule, how long the upstream has for what came before, until it gets its
# close frame; and how long the client then waits for the last answers; in seconds.
cdef double GRACE = 0.1
cdef double ANSWERS = 0.5

# A frame that a close frame of ours waits behind has a second more for so many bytes.
cdef double PACE = 1024

# A tunnel's state in bytes, for another process on this machine, of another release perhaps: who
# changes what stands there, or what it means, counts the version up.
cdef int STATE_VERSION = 2
cdef object ENVELOPE = Struct("=HI")            # the version, and the CRC of what follows:
cdef object TUNNEL = Struct("=BB2?Qd")          # RSV bits, who is paused, `_marked` and its age
cdef object RULES = Struct("=Q?Qddddd")         # the fields of `Rules` in their order
cdef Py_ssize_t STATE_SIZE = ENVELOPE.size + TUNNEL.size + RULES.size + 2 * PIPE.size


cdef bytes close_frame(uint16_t code, bytes reason, bint masked):
    """A close frame of our own (RFC 6455 section 5.5.1), `reason` cut to what one may hold."""
    cdef bytes text = reason[:MAX_REASON].decode("utf-8", "ignore").encode()
    return control_frame(CLOSE, bytes((code >> 8, code & 0xFF)) + text, masked)


cdef bytes control_frame(uint8_t opcode, bytes payload, bint masked):
    """A control frame of our own (RFC 6455 section 5.5)."""
    cdef size_t size = len(payload)
    cdef bytes key
    cdef uint8_t out[MAX_CONTROL_PAYLOAD]
    if not masked:
        return bytes((0x80 | opcode, size)) + payload
    key = urandom(4)
    xor_mask(out, <const uint8_t*> payload, size, <const uint8_t*> key, 0)
    return bytes((0x80 | opcode, 0x80 | size)) + key + out[:size]


@lru_cache(maxsize=1024)
def _unpack_rules(bytes packed):
    """The same object for all tunnels of a route."""
    message, utf8, queued, idle, stall, close, linger, ping = RULES.unpack(packed)
    return Rules(max_message=message, validate_utf8=utf8, queued_bytes=queued,
                 idle=idle, stall=stall, close=close, linger=linger, ping=ping)


cdef class Relay:
    """Takes what is read from one side, and sees to it that it goes to the other."""

    cdef int received(self, Side side, const uint8_t* data, size_t size) except -1:
        """Bytes came from `side`."""
        raise NotImplementedError

    cdef uint64_t unseen(self, Side side):
        """How many of the next bytes from `side` the driver may move itself, and say so by
        `passed`, in place of `received`."""
        return 0

    cdef int passed(self, Side side, size_t size) except -1:
        """So many bytes from `side` went on, or are queued."""
        raise NotImplementedError

    cdef int drained(self, Side side) except -1:
        """Nothing is queued for `side` any more."""
        raise NotImplementedError

    cdef size_t room(self, Side side) except? -1:
        """How much may be read from `side` now."""
        raise NotImplementedError

    cdef object sink(self, Side side):
        """Where it goes: the leg, if it is one."""
        return None


cdef class Tunnel(Relay):
    """A pair of pipes; a driver subclasses it and fills in the hooks.

    `rsv_first` and `rsv_rest` are the RSV bits that the agreed extensions allow on a message's
    first frame and on the others.
    """

    def __init__(self, Rules rules not None, *, uint8_t rsv_first=0, uint8_t rsv_rest=0):
        self.rules = rules
        self.upward = Pipe(rules, masked=True, rsv_first=rsv_first, rsv_rest=rsv_rest)
        self.downward = Pipe(rules, masked=False, rsv_first=rsv_first, rsv_rest=rsv_rest)
        self.reason = b""
        self._close_reason = b""
        self._violator = -1
        self._stale = True

    # what the sockets say

    cdef int received(self, Side side, const uint8_t* data, size_t size) except -1:
        cdef Pipe pipe = self._from(side)
        cdef Side other = self._other(side)
        cdef Span span
        cdef size_t taken
        pipe.heard = True
        while size and not pipe.deaf:
            taken = pipe.feed(data, size, &span)
            data += taken
            size -= taken
            if span.size and not self.ends[other].finishing:
                self._forward(side, span.data, span.size)
            if pipe.deaf or pipe.stopping:
                self._react(side, pipe)
        return 0

    cdef uint64_t unseen(self, Side side):
        return 0 if self.ends[self._other(side)].finishing else self._from(side).unseen()

    cdef int passed(self, Side side, size_t size) except -1:
        cdef Pipe pipe = self._from(side)
        pipe.heard = True
        pipe.skip(size)
        self._restrain(side, self._queued(self._other(side)))
        if pipe.stopping:
            self._react(side, pipe)
        return 0

    cdef int eof(self, Side side) except -1:
        """`side` will send no more."""
        cdef Pipe pipe = self._from(side)
        if self.ends[side].eof:
            return 0
        self.ends[side].eof = True
        if side == DOWNSTREAM:
            self._end_grace()
            self._note(CLIENT_LOST, ABNORMAL_CLOSURE, b"")
        elif self.ending == OPEN:
            self._upstream_lost(pipe)
        elif pipe.stand_in and pipe.at_boundary():
            self._write_close(DOWNSTREAM, pipe)
        self._settle()
        return 0

    cdef int lost(self, Side side) except -1:
        """There is no connection to `side` any more."""
        cdef End* end = &self.ends[side]
        if end.gone:
            return 0
        end.finishing = end.finished = end.released = end.gone = True
        # What still comes for it goes nowhere, and is no progress.
        self._to(side).ended = True
        self._unpause(self._other(side))
        self.eof(side)
        if self.ends[self._other(side)].gone:
            self._over()
        return 0

    cdef int drained(self, Side side) except -1:
        if self.ends[side].finishing:
            self._finish_flushed(side)
        else:
            self._unpause(self._other(side))
        return 0

    cdef int tick(self, double now) except -1:
        """Look at the clock (seconds, monotonic); to be called a few times per shortest limit."""
        cdef bint queued = self._queued(DOWNSTREAM) != 0 or self._queued(UPSTREAM) != 0
        if self.rules.ping and self.ending == OPEN:
            self._ask_if_silent(DOWNSTREAM, now)
            self._ask_if_silent(UPSTREAM, now)
        self._wind_up(now)
        if now - self._marked_at >= self._patience(queued):
            self._marked_at = now
            self._expire(queued)
        return 0

    def wake(self):
        """The time is up for which the tunnel asked its driver."""
        if self._grace:
            self._end_grace()
            self._wake_in(ANSWERS)
        elif not self.downward.ended:
            self._stop(DOWNSTREAM)
        self._settle()

    cpdef int shut_down(self, uint16_t code, bytes reason, Ending ending) except -1:
        """Close both sides with `code`, at the next frame boundary of each."""
        if self.ending == OPEN:
            self._note(ending, code, reason)
            self._close_both(code, reason)
            self._settle()
        return 0

    cpdef int abort(self) except -1:
        """Let go of both connections now."""
        self._drop(DOWNSTREAM)
        self._drop(UPSTREAM)
        return 0

    # what a driver asks

    cdef bint is_last(self, Side side) noexcept:
        """Is what is sent to `side` now the last, so that its end of file follows at once?"""
        return self.ends[side].finishing or self._may_finish(side)

    # moving to another process

    def state(self, double now):
        """The tunnel in bytes, but for what is queued; `now` is as for `tick`.

        Raises ValueError unless the tunnel is open: one that ends does so where it is.
        """
        cdef Rules rules = self.rules
        cdef bytes body
        if (self.ending != OPEN or self.ends[DOWNSTREAM].finishing
                or self.ends[UPSTREAM].finishing):
            raise ValueError("a tunnel that ends cannot move")
        body = b"".join((
            TUNNEL.pack(self.upward.rsv_first, self.upward.rsv_rest,
                        self.ends[DOWNSTREAM].paused, self.ends[UPSTREAM].paused,
                        self._marked, -1 if self._stale else now - self._marked_at),
            RULES.pack(rules.max_message, rules.validate_utf8, rules.queued_bytes,
                       rules.idle, rules.stall, rules.close, rules.linger, rules.ping),
            self.upward.state(now),
            self.downward.state(now)))
        return ENVELOPE.pack(STATE_VERSION, crc32(body)) + body

    def restore(self, bytes state not None, double now):
        """Become the tunnel of that state; for a new object, in place of its initialization.

        Raises ValueError if the state is broken, or of another version.
        """
        cdef uint8_t rsv_first, rsv_rest
        cdef uint64_t marked
        cdef double age
        cdef bytes body = state[ENVELOPE.size:]
        if len(state) < ENVELOPE.size:
            raise ValueError("the state of a tunnel is broken")
        version, crc = ENVELOPE.unpack_from(state)
        if version != STATE_VERSION:
            raise ValueError(f"the state of a tunnel has version {version}, not {STATE_VERSION}")
        if len(state) != STATE_SIZE or crc != crc32(body):
            raise ValueError("the state of a tunnel is broken")
        rsv_first, rsv_rest, down, up, marked, age = TUNNEL.unpack_from(body)
        body = body[TUNNEL.size:]
        Tunnel.__init__(self, _unpack_rules(body[:RULES.size]),
                        rsv_first=rsv_first, rsv_rest=rsv_rest)
        body = body[RULES.size:]
        self.upward.restore(body[:PIPE.size], now)
        self.downward.restore(body[PIPE.size:], now)
        self.ends[DOWNSTREAM].paused = down
        self.ends[UPSTREAM].paused = up
        self._stale = age < 0
        self._marked = marked
        self._marked_at = now - age

    # private: frames

    cdef inline Side _other(self, Side side) noexcept:
        return UPSTREAM if side == DOWNSTREAM else DOWNSTREAM

    cdef inline Pipe _from(self, Side side):
        return self.upward if side == DOWNSTREAM else self.downward

    cdef inline Pipe _to(self, Side side):
        return self.downward if side == DOWNSTREAM else self.upward

    cdef int _forward(self, Side side, const uint8_t* data, size_t size) except -1:
        return self._restrain(side, self._send(self._other(side), data, size))

    cdef int _restrain(self, Side side, size_t queued) except -1:
        """Stop reading from `side` while too much of what it sent is queued."""
        if queued > self.rules.queued_bytes and not self.ends[side].paused:
            self.ends[side].paused = True
            self._pause(side)
        return 0

    cdef int _react(self, Side side, Pipe pipe) except -1:
        """The pipe from `side` failed, saw a close frame, or reached a boundary we waited for."""
        if pipe.verdict:
            self._violation(side, pipe)
        elif pipe.close_code:
            if pipe.stand_in:
                self._write_close(DOWNSTREAM, pipe)
            elif not pipe.ended:
                pipe.ended = True
                self._note(CLIENT_CLOSED if side == DOWNSTREAM else UPSTREAM_CLOSED,
                           pipe.close_code, pipe.close_reason)
        elif pipe.at_boundary():
            self._write_close(self._other(side), pipe)
        else:
            return 0
        return self._settle()

    cdef int _violation(self, Side side, Pipe pipe) except -1:
        cdef bytes reason = f"{'client' if side == DOWNSTREAM else 'upstream'}: {pipe.why}".encode()
        self._violator = side
        self._note(RULE, pipe.verdict, reason)
        if side == UPSTREAM or self.downward.deaf or self.ends[UPSTREAM].eof:
            return self._close_both(pipe.verdict, reason)
        # What the client sent before may be on its way back as an answer, or be answered if no
        # close frame comes at its heels: many servers do not answer what they read together with
        # one. The upstream's own close frame comes behind all answers, and ours takes its place.
        self._close_code = pipe.verdict
        self._close_reason = reason
        self.downward.stand_in = True
        self._grace = pipe.forwarded != 0
        if self._grace:
            return self._wake_in(GRACE)
        self._stop(UPSTREAM)
        return self._wake_in(ANSWERS)

    cdef int _upstream_lost(self, Pipe pipe) except -1:
        if not pipe.at_boundary():
            self._note(UPSTREAM_LOST, ABNORMAL_CLOSURE, b"inside a frame")
            return 0
        self._close_code = BAD_GATEWAY
        self._close_reason = b"upstream connection lost"
        self._note(UPSTREAM_LOST, self._close_code, self._close_reason)
        return self._write_close(DOWNSTREAM, pipe)

    cdef int _close_both(self, uint16_t code, bytes reason) except -1:
        self._close_code = code
        self._close_reason = reason
        self._stop(DOWNSTREAM)
        return self._stop(UPSTREAM)

    cdef int _end_grace(self) except -1:
        if self._grace:
            self._grace = False
            self._stop(UPSTREAM)
        return 0

    cdef int _stop(self, Side side) except -1:
        """Let the pipe to `side` end with our close frame, at its next frame boundary."""
        cdef Pipe pipe = self._to(side)
        pipe.stopping = not pipe.ended
        if pipe.at_boundary():
            self._write_close(side, pipe)
        return 0

    cdef int _write_close(self, Side side, Pipe pipe) except -1:
        """Put our close frame where the frames of `pipe` stopped."""
        cdef bytes frame
        pipe.stopping = False
        if pipe.ended or self.ends[side].finishing:
            return 0
        pipe.ended = True
        frame = close_frame(self._close_code, self._close_reason, side == UPSTREAM)
        self._send(side, <const uint8_t*> frame, len(frame))
        return 0

    # private: the end

    cdef void _note(self, Ending ending, uint16_t code, bytes reason) noexcept:
        if self.ending == OPEN:
            self.ending = ending
            self.code = code
            self.reason = reason

    cdef int _settle(self) except -1:
        """After a change: send the ends of file that are due, let go of what is over."""
        cdef Side side
        self._stale = True
        for side in range(2):
            if not self.ends[side].finishing and self._may_finish(side):
                self._finish(side)
            self._release_if_over(side)
        return 0

    cdef bint _may_finish(self, Side side) noexcept:
        cdef Pipe pipe = self._to(side)
        if self.ends[self._other(side)].eof:
            return True
        if pipe.deaf and pipe.stopping and not pipe.at_boundary():
            return True      # cut inside a frame: there will be no boundary
        if not (pipe.ended or pipe.close_code):
            return False
        if self._violator == side:
            return True      # RFC 6455 section 7.1.7: no answer is waited for
        # RFC 6455 section 7.1.1: the server closes the connection first; we may be in a hurry.
        return self._from(side).close_code != 0 and (
            side == DOWNSTREAM or self.ends[side].eof or self.ending == SHUTDOWN)

    cdef int _finish(self, Side side) except -1:
        self.ends[side].finishing = True
        self._unpause(self._other(side))
        if self._queued(side) == 0:
            self._finish_flushed(side)
        return 0

    cdef int _finish_flushed(self, Side side) except -1:
        if not self.ends[side].finished:
            self.ends[side].finished = True
            self._send_eof(side)
            self._release_if_over(side)
        return 0

    cdef int _release_if_over(self, Side side) except -1:
        cdef End* end = &self.ends[side]
        # Behind a close frame there is nothing to wait for.
        if (end.eof or self._from(side).close_code) and end.finished and not end.released:
            end.released = True
            self._release(side)
        return 0

    cdef int _drop(self, Side side) except -1:
        if not self.ends[side].gone:
            self.ends[side].finishing = self.ends[side].released = True
            self._abort(side)
        return 0

    cdef int _unpause(self, Side side) except -1:
        if self.ends[side].paused:
            self.ends[side].paused = False
            if not self.ends[side].eof:
                self._resume(side)
        return 0

    # private: the clock

    cdef inline uint64_t _moved(self):
        return (self.upward.forwarded - self._untaken(UPSTREAM)
                + self.downward.forwarded - self._untaken(DOWNSTREAM))

    cdef int _wind_up(self, double now) except -1:
        """Let the clock begin anew if there was progress."""
        cdef uint64_t moved = self._moved()
        cdef double earned
        if self._stale or not (self.upward.stopping or self.downward.stopping):
            if self._stale or moved != self._marked:
                self._marked_at = now
        else:
            # A frame that drips would hold our close frame, and the tunnel, for ever.
            earned = (moved - self._marked) / PACE
            self._marked_at = min(now, self._marked_at + earned)
        self._stale = False
        self._marked = moved
        return 0

    cdef double _patience(self, bint queued) noexcept:
        if queued:
            return self.rules.stall or INFINITY
        if self.ending == OPEN:
            return self.rules.idle or INFINITY
        if self.ending == IDLE:
            return min(self.rules.close, self.rules.idle)
        if (self.ends[DOWNSTREAM].eof or self.ends[UPSTREAM].eof
                or self.ending == UNANSWERED
                or (self._handshake_over(DOWNSTREAM) and self._handshake_over(UPSTREAM))):
            return min(self.rules.linger, self.rules.stall or self.rules.linger)
        return self.rules.close

    cdef bint _handshake_over(self, Side side) noexcept:
        return self._to(side).ended and self._from(side).deaf

    cdef int _expire(self, bint queued) except -1:
        cdef Side side
        if queued:
            self._note(STALL, ABNORMAL_CLOSURE, b"nothing was taken")
            for side in range(2):
                if self._queued(side):
                    self._drop(side)
        elif self.ending == OPEN:
            self._note(IDLE, GOING_AWAY, b"idle timeout")
            self._close_both(GOING_AWAY, b"idle timeout")
            self._settle()
        else:
            self.abort()
        return 0

    cdef int _ask_if_silent(self, Side side, double now) except -1:
        """Ping a side that says nothing (RFC 6455 section 5.5.2): middleboxes forget connections
        that are merely silent. One that answered before and does not any more is dead; one that
        never did may not know how to, and TCP finds out whether it is there."""
        cdef Pipe pipe = self._from(side)
        if pipe.heard or self.ends[side].paused:
            pipe.heard = False
            pipe.marked_at = now
            pipe.unanswered = 0
        elif now - pipe.marked_at < self.rules.ping:
            return 0
        elif pipe.answers and pipe.unanswered == MISSES:
            self._give_up(side)
        elif self._to(side).at_boundary() and self._queued(side) == 0:
            pipe.marked_at = now
            self._ping(side, pipe)
        return 0

    cdef int _ping(self, Side side, Pipe pipe) except -1:
        cdef bytes frame = control_frame(PING, OURS, side == UPSTREAM)
        pipe.pinged = True
        pipe.unanswered = min(pipe.unanswered + 1, MISSES)
        self._send(side, <const uint8_t*> frame, len(frame))
        return 0

    cdef int _give_up(self, Side side) except -1:
        cdef uint16_t code = GOING_AWAY if side == DOWNSTREAM else BAD_GATEWAY
        cdef bytes who = b"client" if side == DOWNSTREAM else b"upstream"
        cdef bytes reason = who + b" left pings unanswered"
        self._note(UNANSWERED, code, reason)
        self._close_both(code, reason)
        return self._settle()

    # hooks: what a driver does

    cdef size_t _send(self, Side side, const uint8_t* data, size_t size) except? -1:
        """Send or queue `data`, which is valid during the call; returns what is then queued."""
        raise NotImplementedError

    cdef size_t _queued(self, Side side) except? -1:
        """The bytes queued for `side`; when they become 0, call `drained`."""
        raise NotImplementedError

    cdef size_t _untaken(self, Side side) except? -1:
        """Where something is queued: how much `side` has not taken, the system's buffers
        included. A slow reader may take long to make room in them."""
        return self._queued(side)

    cdef int _wake_in(self, double seconds) except -1:
        """Call `wake` in that time."""
        raise NotImplementedError

    cdef int _pause(self, Side side) except -1:
        """Stop reading from `side`."""
        raise NotImplementedError

    cdef int _resume(self, Side side) except -1:
        """Read from `side` again."""
        raise NotImplementedError

    cdef int _send_eof(self, Side side) except -1:
        """Nothing is queued, nothing more will be sent: shut down the writing half."""
        raise NotImplementedError

    cdef int _release(self, Side side) except -1:
        """Both halves are over: close the connection, then call `lost`."""
        raise NotImplementedError

    cdef int _abort(self, Side side) except -1:
        """Close the connection whatever is queued, then call `lost`."""
        raise NotImplementedError

    cdef int _over(self) except -1:
        """Both connections are gone."""
        raise NotImplementedError
