"""See _pump.pxd, the table of contents."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t

from fastws._driver cimport BUFFER_SIZE, Leg, room_beside
from fastws._relay cimport DOWNSTREAM, Relay, Side
from fastws.protocol.body cimport Body
from fastws.protocol.headers cimport Text


@cython.final
cdef class Pump(Relay):
    """Moves `body` from one transport to another; `most`: bytes queued for the sink before the
    source pauses.

    `owner.pumped(rest)` is called when all of it went on, or its framing is broken; `rest` is what
    came behind it.
    """

    def __init__(self, source, sink, Body body not None, owner, *, size_t most):
        self.body = body
        self._owner = owner
        self._source = source
        self._sink = sink
        self._from = source if isinstance(source, Leg) else None
        self._to = sink if isinstance(sink, Leg) else None
        self._most = most
        self._rest = b""

    @property
    def taken(self):
        """How many of the bytes that came the peer has taken, as far as can be told: where it
        takes none, they do not get more."""
        if self._to is not None:
            return self.moved - self._to.untaken()
        return self.moved - (0 if self.over else self._sink.get_write_buffer_size())

    def start(self, bytes early not None):
        """Begin with what has come already."""
        if self._from is not None:
            self._from.reader = self
        if self._to is not None:
            self._to.writer = self
        self.feed(early)

    def stop(self):
        """Move nothing any more."""
        if not self.over:
            self._detach()

    # what protocols of the loop's transports say

    def feed(self, bytes data not None):
        """The source sent `data`."""
        self.received(DOWNSTREAM, data, len(data))

    def eof(self):
        """The source sends no more; whether the body is whole."""
        cdef bint whole = self.body.eof()
        self._settle()
        return whole

    def pause(self):
        """The sink takes no more."""
        if not self.paused and not self.over:
            self.paused = True
            self._source.pause_reading()

    def resume(self):
        """The sink takes more."""
        if self.paused:
            self.paused = False
            self._source.resume_reading()
        self._settle()

    # what legs say

    cdef int received(self, Side side, const uint8_t* data, size_t size) except -1:
        cdef Text out
        cdef size_t taken
        cdef Body body = self.body
        while size and not self.over and not body.complete and body.fault is None:
            taken = body.take(data, size, &out)
            self.moved += taken
            data += taken
            size -= taken
            if out.size:
                self._send(out.data, out.size)
        if size:
            self._rest += data[:size]
        return self._settle()

    cdef uint64_t unseen(self, Side side):
        return 0 if self.over else self.body.unseen()

    cdef int passed(self, Side side, size_t size) except -1:
        self.moved += size
        self.body.skip(size)
        self._restrain(self._to.queued())
        return self._settle()

    cdef int drained(self, Side side) except -1:
        self.resume()
        return 0

    cdef size_t room(self, Side side) except? -1:
        return BUFFER_SIZE if self._to is None else room_beside(self._to.queued())

    cdef object sink(self, Side side):
        return self._to

    # private

    cdef int _send(self, const uint8_t* data, size_t size) except -1:
        if self._to is not None:
            return self._restrain(self._to.send(data, size))
        self._sink.write(PyBytes_FromStringAndSize(<const char*> data, size))
        return 0

    cdef int _restrain(self, size_t queued) except -1:
        if queued > self._most:
            self.pause()
        return 0

    cdef int _settle(self) except -1:
        """Say that the end has come, but not before the sink takes more: what comes behind this
        body would only be queued, too."""
        if self.over or self.body.fault is None and (not self.body.complete or self.paused):
            return 0
        owner = self._owner
        self._detach()
        owner.pumped(self._rest)
        return 0

    cdef int _detach(self) except -1:
        self.over = True
        if self._from is not None and self._from.reader is self:
            self._from.reader = None
        if self._to is not None and self._to.writer is self:
            self._to.writer = None
        if self.paused:
            self.paused = False
            self._source.resume_reading()
        self._owner = self._source = self._sink = self._from = self._to = None
        return 0
