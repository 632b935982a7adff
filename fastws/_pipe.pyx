"""See _pipe.pxd, the table of contents."""

from struct import Struct

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from fastws._frame cimport (
    BINARY,
    CLOSE,
    CONTINUATION,
    INTERNAL_ERROR,
    INVALID_DATA,
    MAX_CONTROL,
    MAX_CONTROL_PAYLOAD,
    MESSAGE_TOO_BIG,
    NO_STATUS_RCVD,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    FrameHeader,
    decode_rest,
    decode_start,
    is_close_code,
    is_control,
)
from fastws._mask cimport xor_mask
from fastws._utf8 cimport UTF8_WHOLE, UTF8_WRONG, utf8_feed, utf8_may_go_on

OURS = b"fastws"
PIPE = Struct("=5Q2?B4s132pdB3?")


def may_close_with(code):
    """May `code` stand in a close frame?"""
    return 0 <= code <= 0xFFFF and is_close_code(code)


@cython.final
cdef class Rules:
    """What a route asks of its tunnels. Sizes in bytes, times in seconds. 0 is no limit, but for
    `close` and `linger` no time."""

    def __init__(self, *, uint64_t max_message=0, bint validate_utf8=False,
                 size_t queued_bytes=64 * 1024, double idle=0, double stall=60,
                 double close=30, double linger=5, double ping=0):
        self.max_message = max_message
        self.validate_utf8 = validate_utf8
        self.queued_bytes = queued_bytes
        self.idle = idle
        self.stall = stall
        self.close = close
        self.linger = linger
        self.ping = ping


# A held frame that was completed, until it is forwarded.
cdef uint8_t[MAX_CONTROL] completed


@cython.final
@cython.no_gc
cdef class Pipe:
    """One direction of a tunnel. `masked`: the source is a client, which must mask."""

    def __init__(self, Rules rules not None, *, bint masked, uint8_t rsv_first=0,
                 uint8_t rsv_rest=0):
        self.rules = rules
        self.masked = masked
        self.rsv_first = rsv_first
        self.rsv_rest = rsv_rest
        self.utf8 = UTF8_WHOLE
        self.heard = True
        self.close_reason = b""

    def __dealloc__(self):
        free(self.held)

    @property
    def boundary(self):
        """Does what was forwarded end with a whole frame?"""
        return self.at_boundary()

    def forward(self, const uint8_t[::1] data not None):
        """Feed all of `data`; returns what may go on to the sink."""
        cdef size_t position = 0
        cdef size_t size = data.shape[0]
        cdef Span span
        cdef list spans = []
        while position < size:
            position += self.feed(&data[position], size - position, &span)
            spans.append(span.data[:span.size])
        return b"".join(spans)

    def state(self, double now):
        """Where in its stream the pipe stands, in bytes. While all is well: what the end of a
        pipe needs (a verdict, a close frame) does not stand there. `now`: see `Tunnel.tick`."""
        return PIPE.pack(
            self.remaining, self.message_size, self.key_position, self.forwarded, self.messages,
            self.message_open, self.checking, self.utf8,
            self.key[:4], self.held[:self.held_size],
            now - self.marked_at, self.unanswered, self.heard, self.pinged, self.answers)

    def restore(self, bytes state not None, double now):
        """Go on where a pipe with the same rules stood.

        Raises ValueError if no pipe can stand there.
        """
        cdef bytes held
        cdef double age
        (self.remaining, self.message_size, self.key_position, self.forwarded, self.messages,
         self.message_open, self.checking, self.utf8,
         key, held,
         age, self.unanswered, self.heard, self.pinged, self.answers) = PIPE.unpack(state)
        self.marked_at = now - age
        memcpy(self.key, <const uint8_t*> key, 4)
        if (self.remaining > self.message_size or not utf8_may_go_on(self.utf8)
                or (self.rules.max_message and self.message_size > self.rules.max_message)):
            raise ValueError("the state of a pipe is broken")
        # A header or control frame that was held is so again.
        if self.forward(held) or self.deaf or self.held_size != len(held):
            raise ValueError("the state of a pipe is broken")

    # bytes in, bytes to forward out

    cdef bint at_boundary(self) noexcept:
        return self.remaining == 0

    cdef uint64_t unseen(self) noexcept:
        """How many of the next bytes may go on without being looked at: payload that is still to
        come of a frame that was judged."""
        return 0 if self.deaf or self.ended or self.checking else self.remaining

    cdef void skip(self, size_t size) noexcept:
        """So many of them went on."""
        self.remaining -= size
        self.forwarded += size
        if self.at_boundary():
            self._frame_over()

    cdef size_t feed(self, const uint8_t* data, size_t size, Span* out) noexcept:
        """Take bytes from the source. Returns how many were taken, all of them unless a held
        frame was completed or a wanted boundary reached: then feed the rest again. `out` is what
        to forward, and is valid until the next call."""
        cdef size_t position = 0
        cdef size_t frame = 0      # where in `data` the frame under way began,
        cdef bint begun = False    # if it did
        cdef size_t step
        cdef Py_ssize_t unit
        cdef bint whole = True     # nothing of `data` has to be given back
        cdef size_t left_out = 0   # behind what is to be forwarded
        out.data = data
        out.size = 0
        if self.deaf:
            return size
        if self.held_size:
            return self._fill_held(data, size, out)
        while position < size:
            if self.remaining:
                step = size - position
                if self.remaining < step:
                    step = <size_t> self.remaining
                if self._payload(data + position, step):
                    position += step
                    if self.stopping and self.at_boundary():
                        whole = False
                        break
                    continue
                position = frame
                if begun:          # nothing of it went on
                    self.remaining = 0
                break
            if not self.message_open and not self.stopping:
                position += self._pass_messages(data + position, size - position)
                if position == size:
                    break
            frame = position
            begun = True
            unit = self._unit(data + position, size - position)
            if self.answered:
                self.answered = whole = False
                left_out = unit
                break
            if unit > 0:
                position += unit
                if not self.deaf:
                    continue
                if self.verdict or self.stand_in:
                    position = frame
            elif unit == 0:
                if not self._hold(data + position, size - position):
                    position = frame
            break
        if not self.ended:
            out.size = position
            self.forwarded += position
        return size if whole else position + left_out

    # private: one frame

    cdef size_t _pass_messages(self, const uint8_t* data, size_t size) noexcept:
        """The most likely frames first, and many at a time: whole messages of up to 64 KiB that
        come up to all rules. Returns the bytes of those that `data` begins with."""
        cdef uint8_t mask = 0x80 if self.masked else 0
        cdef size_t key = 4 if self.masked else 0
        cdef uint64_t limit = self.rules.max_message
        cdef size_t position = 0
        cdef size_t length
        cdef size_t count = 0
        cdef uint8_t first, plain      # the latter without the RSV bits that may be set
        while size - position >= 4:
            first = data[position]
            plain = first & ~self.rsv_first
            if plain != 0x80 | BINARY and (
                    plain != 0x80 | TEXT or (self.rules.validate_utf8 and first == plain)):
                break
            length = data[position + 1] ^ mask
            if length == 126:
                length = 2 + (data[position + 2] << 8 | data[position + 3])
                if length < 2 + 126:
                    break
            elif length > 126:
                break
            length += 2 + key
            if length > size - position or (limit and length > limit):
                break
            position += length
            count += 1
        if not self.ended:
            self.messages += count
        return position

    cdef bint _hold(self, const uint8_t* data, size_t size) noexcept:
        """Keep the beginning of a header or control frame."""
        self.held = <uint8_t*> malloc(MAX_CONTROL)
        if self.held is NULL:
            return self._fail(INTERNAL_ERROR, "out of memory")
        memcpy(self.held, data, size)
        self.held_size = <uint8_t> size
        return True

    cdef size_t _fill_held(self, const uint8_t* data, size_t size, Span* out) noexcept:
        """Complete the header or control frame whose beginning is held."""
        cdef size_t taken = 0
        cdef Py_ssize_t unit = 0
        while unit == 0 and taken < size:
            self.held[self.held_size] = data[taken]
            self.held_size += 1
            taken += 1
            unit = self._unit(self.held, self.held_size)
        if unit == 0:
            return taken
        if self.answered:
            self.answered = False
        elif (unit > 0 and not self.verdict and not self.ended
                and not (self.deaf and self.stand_in)):
            memcpy(completed, self.held, self.held_size)
            out.data = completed
            out.size = self.held_size
            self.forwarded += self.held_size
        free(self.held)
        self.held = NULL
        self.held_size = 0
        return taken

    cdef Py_ssize_t _unit(self, const uint8_t* data, size_t size) noexcept:
        """Judge the frame that begins at `data`, and enter it. Returns the bytes of its header,
        with the payload if it is a control frame; 0 if they are not all there; -1 if it breaks a
        rule."""
        cdef FrameHeader header
        if not decode_start(data, size, &header):
            return 0
        if not self._judge_start(&header):
            return -1
        if not decode_rest(data, size, &header):
            return 0
        if not self._judge_length(&header):
            return -1
        if is_control(header.opcode):
            return self._control(data, size, &header)
        self._begin(&header)
        return header.size

    cdef bint _judge_start(self, const FrameHeader* header) noexcept:
        # RFC 6455 sections 5.1 (masking), 5.2 (RSV, opcodes), 5.4 (fragments), 5.5 (control)
        cdef uint8_t opcode = header.opcode
        if header.masked != self.masked:
            return self._fail(PROTOCOL_ERROR,
                              "frame without a mask" if self.masked else "masked frame")
        if opcode == TEXT or opcode == BINARY:
            if self.message_open:
                return self._fail(PROTOCOL_ERROR, "new message inside a fragmented one")
            if header.rsv & ~self.rsv_first:
                return self._fail(PROTOCOL_ERROR, "RSV bit without an extension")
            return True
        if opcode == CONTINUATION:
            if not self.message_open:
                return self._fail(PROTOCOL_ERROR, "continuation without a message")
            if header.rsv & ~self.rsv_rest:
                return self._fail(PROTOCOL_ERROR, "RSV bit without an extension")
            return True
        if opcode != CLOSE and opcode != PING and opcode != PONG:
            return self._fail(PROTOCOL_ERROR, "reserved opcode")
        if header.rsv:
            return self._fail(PROTOCOL_ERROR, "RSV bit on a control frame")
        if not header.fin:
            return self._fail(PROTOCOL_ERROR, "fragmented control frame")
        if header.length > MAX_CONTROL_PAYLOAD:
            return self._fail(PROTOCOL_ERROR, "control frame of more than 125 bytes")
        return True

    cdef bint _judge_length(self, const FrameHeader* header) noexcept:
        cdef uint64_t limit = self.rules.max_message
        cdef uint64_t before = 0 if header.opcode != CONTINUATION else self.message_size
        if not header.minimal:
            return self._fail(PROTOCOL_ERROR, "length not in its shortest form")
        if limit and not is_control(header.opcode) and header.length > limit - before:
            return self._fail(MESSAGE_TOO_BIG, f"message of more than {limit} bytes")
        return True

    cdef Py_ssize_t _control(self, const uint8_t* data, size_t size,
                             const FrameHeader* header) noexcept:
        cdef size_t length = <size_t> header.length
        cdef uint8_t payload[MAX_CONTROL_PAYLOAD]
        if size - header.size < length:
            return 0
        if header.opcode == CLOSE or (header.opcode == PONG and self.pinged):
            if header.masked:
                xor_mask(payload, data + header.size, length, header.key, 0)
            else:
                memcpy(payload, data + header.size, length)
            if header.opcode == PONG:
                self.answered = self._is_answer(payload, length)
            elif not self._close_frame(payload, length):
                return -1
        return header.size + length

    cdef bint _is_answer(self, const uint8_t* payload, size_t size) noexcept:
        """Does a pong answer a ping of ours (RFC 6455 section 5.5.3)?"""
        if size != <size_t> len(OURS) or memcmp(payload, <const uint8_t*> OURS, size) != 0:
            return False
        self.answers = True
        return True

    cdef bint _begin(self, const FrameHeader* header) noexcept:
        if header.opcode != CONTINUATION:
            self.message_size = 0
            self.utf8 = UTF8_WHOLE
            # A compressed message (RSV1, RFC 7692 section 6) is no text on the wire.
            self.checking = (self.rules.validate_utf8 and header.opcode == TEXT
                             and not header.rsv)
        self.message_open = not header.fin
        self.message_size += header.length
        self.remaining = header.length
        if self.checking:
            memcpy(self.key, header.key, 4)
            self.key_position = 0
        return self.remaining != 0 or self._frame_over()

    cdef bint _payload(self, const uint8_t* data, size_t size) noexcept:
        """Pass payload of the frame under way; False if its text is no UTF-8."""
        if self.checking and not self._check_text(data, size):
            return False
        self.remaining -= size
        if self.remaining or self._frame_over():
            return True
        self.remaining += size     # kept back: the sink does not stand at the frame's end
        return False

    cdef bint _check_text(self, const uint8_t* data, size_t size) noexcept:
        cdef uint8_t plain[4096]
        cdef size_t step
        if not self.masked:
            return self._check_plain(data, size)
        while size:
            step = min(size, sizeof(plain))
            xor_mask(plain, data, step, self.key, self.key_position)
            if not self._check_plain(plain, step):
                return False
            self.key_position += step
            data += step
            size -= step
        return True

    cdef bint _check_plain(self, const uint8_t* text, size_t size) noexcept:
        self.utf8 = utf8_feed(self.utf8, text, size)
        return self.utf8 != UTF8_WRONG or self._fail_text()

    cdef bint _frame_over(self) noexcept:
        if self.message_open:
            return True
        if self.checking and self.utf8 != UTF8_WHOLE:
            return self._fail_text()
        if not self.ended:
            self.messages += 1
        return True

    cdef bint _close_frame(self, const uint8_t* payload, size_t size) noexcept:
        # RFC 6455 sections 5.5.1 and 7.4
        cdef uint16_t code = NO_STATUS_RCVD
        if size == 1:
            return self._fail(PROTOCOL_ERROR, "close frame of one byte")
        if size:
            code = payload[0] << 8 | payload[1]
            if not is_close_code(code):
                return self._fail(PROTOCOL_ERROR, f"close code {code}")
            if utf8_feed(UTF8_WHOLE, payload + 2, size - 2) != UTF8_WHOLE:
                return self._fail(INVALID_DATA, "close reason that is not UTF-8")
            self.close_reason = PyBytes_FromStringAndSize(<const char*> payload + 2, size - 2)
        self.close_code = code
        self.deaf = True
        return True

    cdef bint _fail_text(self) noexcept:
        return self._fail(INVALID_DATA, "text that is not UTF-8")

    cdef bint _fail(self, uint16_t code, str why) noexcept:
        self.verdict = code
        self.why = why
        self.deaf = True
        return False
