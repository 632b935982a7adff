"""See body.pxd, the table of contents."""

import re

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from libc.stdint cimport UINT64_MAX, uint8_t, uint64_t
from libc.string cimport memchr

from fastws.protocol.headers cimport OTHER, Text, identify

cdef enum:
    # Of a size in hexadecimal: what is longer is no size of anything.
    MAX_DIGITS = 15
    # Extensions mean nothing to anybody; whole trailers are held, as many as a head has headers.
    MAX_EXTENSION = 1024
    MAX_TRAILERS = 8 * 1024

cdef object TRAILER = re.compile(rb"([!#$%&'*+.^`|~0-9A-Za-z-]+):[\t -~\x80-\xff]*")
# RFC 9110 section 6.5.1: what is needed before the content, besides what a proxy knows anyway.
cdef object NOT_IN_TRAILERS = re.compile(
    rb"(?:authorization|cache-control|content-(?:encoding|range|type)|cookie|expect|if-.*"
    rb"|location|max-forwards|pragma|range|set-cookie|www-authenticate)",
    re.IGNORECASE,
)


cdef class Body:
    """A body of one framing."""

    def feed(self, bytes data not None):
        """Take bytes; what goes on of them, and what is behind the body."""
        cdef const uint8_t* start = data
        cdef size_t size = len(data)
        cdef size_t at = 0
        cdef Text out
        cdef list parts = []
        while at < size and not self.complete and self.fault is None:
            at += self.take(start + at, size - at, &out)
            parts.append(out.data[:out.size])
        return b"".join(parts), data[at:]

    def eof(self):
        """Take the end of the stream; whether the body is whole."""
        return self.complete

    cdef size_t take(self, const uint8_t* data, size_t size, Text* out) except? 0:
        """Take bytes that come, and return how many were taken; `out` is what goes on, and is
        valid until the next call. To be called again for the rest, unless the body is complete or
        has a fault."""
        raise NotImplementedError

    cdef uint64_t unseen(self) noexcept:
        """How many of the next bytes go on whatever they are."""
        return 0

    cdef int skip(self, size_t size) except -1:
        """So many of them went on."""
        raise NotImplementedError


@cython.final
cdef class SizedBody(Body):
    """A body of a declared length, or none."""

    def __init__(self, uint64_t length):
        self._left = length
        self.complete = length == 0

    cdef size_t take(self, const uint8_t* data, size_t size, Text* out) except? 0:
        cdef size_t taken = <size_t> min(<uint64_t> size, self._left)
        out[0] = Text(data, taken)
        self.skip(taken)
        return taken

    cdef uint64_t unseen(self) noexcept:
        return self._left

    cdef int skip(self, size_t size) except -1:
        self._left -= size
        self.size += size
        self.complete = self._left == 0
        return 0


@cython.final
cdef class StreamBody(Body):
    """A body that the end of the stream ends."""

    def eof(self):
        """Take the end of the stream for its end."""
        self.complete = True
        return True

    cdef size_t take(self, const uint8_t* data, size_t size, Text* out) except? 0:
        out[0] = Text(data, size)
        self.size += size
        return size

    cdef uint64_t unseen(self) noexcept:
        return UINT64_MAX

    cdef int skip(self, size_t size) except -1:
        self.size += size
        return 0


@cython.final
cdef class ChunkedBody(Body):
    """A body in chunks, with its trailers."""

    def __init__(self, uint64_t trailers, *, uint64_t most=0, bint bare=False):
        self._most_trailers = trailers
        self._most = most
        self._bare = bare
        self._state = SIZE
        self._trailers = bytearray()

    cdef size_t take(self, const uint8_t* data, size_t size, Text* out) except? 0:
        cdef size_t taken
        cdef bint payload = self._state == DATA
        out[0] = Text(data, 0)
        if self._state == TRAILERS:
            return self._hold_trailers(data, size, out)
        if self._state == EXTENSION:
            return self._drop_extension(data, size)
        taken = self._pass(data, size)
        if payload or not self._bare:
            out.size = taken
        return taken

    cdef uint64_t unseen(self) noexcept:
        return self._left if self._state == DATA else 0

    cdef int skip(self, size_t size) except -1:
        self._left -= size
        self.size += size
        if self._left == 0:
            self._state = DATA_CR
        return 0

    cdef size_t _pass(self, const uint8_t* data, size_t size) noexcept:
        """Go on to what does not pass as it is; without framing, to the next piece of either
        kind."""
        cdef size_t at = 0
        cdef size_t step
        while at < size and self._state != TRAILERS and self._state != EXTENSION:
            if self._state != DATA:
                if not self._framing(data[at]):
                    break
                at += self._state != EXTENSION  # which begins with this byte
                if self._bare and self._state == DATA:
                    break
                continue
            step = <size_t> min(<uint64_t> (size - at), self._left)
            self.skip(step)
            at += step
            if self._bare:
                break
        return at

    cdef bint _framing(self, uint8_t byte) noexcept:
        """Judge one byte of the framing."""
        if self._state == SIZE:
            if byte == c"\r" and self._count:
                self._state = SIZE_LF
            elif byte == c";" and self._count:
                self._state = EXTENSION
                self._count = 0
            elif digit(byte) < 0 or self._count == MAX_DIGITS:
                return self._fail("a chunk's size is malformed")
            else:
                self._left = self._left << 4 | <uint64_t> digit(byte)
                self._count += 1
            return True
        if self._state == SIZE_LF:
            return self._chunk() if byte == c"\n" else self._fail("a chunk's size is malformed")
        if byte != (c"\r" if self._state == DATA_CR else c"\n"):
            return self._fail("a chunk is longer than its size")
        if self._state == DATA_CR:
            self._state = DATA_LF
        else:
            self._state = SIZE
            self._count = 0
        return True

    cdef bint _chunk(self) noexcept:
        """A chunk of `_left` bytes begins."""
        if self._most and self._left > self._most - self.size:
            self.too_large = True
            return self._fail(f"the body is larger than {self._most} bytes")
        self._state = DATA if self._left else TRAILERS
        self._count = 0
        return True

    cdef size_t _drop_extension(self, const uint8_t* data, size_t size) noexcept:
        """Take the extensions of a chunk, up to the end of their line."""
        cdef size_t at = 0
        while at < size and data[at] != c"\r":
            self._count += 1
            if data[at] < c" " and data[at] != c"\t" or data[at] == 0x7F:
                self._fail("a chunk's extension is malformed")
                break
            if self._count > MAX_EXTENSION:
                self._fail("a chunk's extensions are too long")
                break
            at += 1
        if at < size and self.fault is None:
            self._state = SIZE
        return at

    cdef size_t _hold_trailers(self, const uint8_t* data, size_t size, Text* out) except? 0:
        """Hold the lines behind the last chunk, up to the empty one, and judge them."""
        cdef const uint8_t* newline = <const uint8_t*> memchr(data, c"\n", size)
        cdef size_t taken = size if newline is NULL else newline + 1 - data
        self._trailers += data[:taken]
        if PyByteArray_GET_SIZE(self._trailers) > MAX_TRAILERS:
            self._fail("the trailers are too large")
        elif newline is not NULL:
            if self._trailers[self._line:] == b"\r\n":
                self._trailers = judged(self._trailers)
                if self._trailers is None:
                    self._fail("a trailer is malformed")
                    return taken
                self.complete = True
                if not self._bare:
                    out[0] = Text(<const uint8_t*> PyByteArray_AS_STRING(self._trailers),
                                  PyByteArray_GET_SIZE(self._trailers))
            else:
                self._line = PyByteArray_GET_SIZE(self._trailers)
                self._count += 1
                if self._count > self._most_trailers:
                    self._fail(f"there are more than {self._most_trailers} trailers")
        return taken

    cdef bint _fail(self, str fault) noexcept:
        self.fault = fault
        return False


cdef inline int digit(uint8_t byte) noexcept nogil:
    """The value of a hexadecimal one, or -1."""
    if c"0" <= byte <= c"9":
        return byte - c"0"
    if c"a" <= byte | 0x20 <= c"f":
        return (byte | 0x20) - c"a" + 10
    return -1


cdef bytearray judged(bytearray section):
    """The trailers that go on, with the empty line; None if one is malformed."""
    cdef bytearray kept = bytearray()
    cdef bytes name
    for line in bytes(section).split(b"\r\n"):
        if not line:
            break
        match = TRAILER.fullmatch(line)
        if match is None:
            return None
        name = match[1]
        if identify(name, len(name)) == OTHER and not NOT_IN_TRAILERS.fullmatch(name):
            kept += line + b"\r\n"
    return kept + b"\r\n"
