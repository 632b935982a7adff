"""See _transport.pxd, the table of contents."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t

from fastws._driver cimport Leg, LegTunnel
from fastws._net cimport SHUT_WR, c_close, c_dup, c_shutdown, is_reset, send_some, tune, unsent
from fastws._queue cimport queue_append, queue_clear, queue_size
from fastws._relay cimport Side


def leg(transport):
    """The leg that moves the bytes of `transport`, which may be one already."""
    if isinstance(transport, Leg):
        return transport
    if transport.get_extra_info("ssl_object") is None:
        return PlainLeg(transport)
    return TlsLeg(transport)


@cython.no_gc
cdef class TransportLeg(Leg):
    """The protocol of one connection of a tunnel (an `asyncio.BufferedProtocol` in all but
    inheritance, which a C class cannot have)."""

    # uvloop keeps this method of the last protocol that had one, and with it that protocol.
    data_received = None

    def __init__(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        cdef LegTunnel tunnel = self.tunnel
        self._room = tunnel.room(self.side)
        return tunnel.driver.view[:self._room]

    def buffer_updated(self, size_t size):
        self.tunnel.received(self.side, self.tunnel.driver.data, size)
        if size == self._room:
            self.let_others_read()

    def eof_received(self):
        self.tunnel.eof(self.side)
        return True

    def pause_writing(self):
        pass

    def resume_writing(self):
        pass

    def connection_lost(self, exc):
        cdef LegTunnel tunnel = self.tunnel
        self.broken = True
        self.forget()
        tunnel.lost(self.side)

    cdef int attach(self, LegTunnel tunnel, Side side) except -1:
        Leg.attach(self, tunnel, side)
        self.transport.set_protocol(self)
        return 0

    cdef int pause(self) except -1:
        self.transport.pause_reading()
        return 0

    cdef int resume(self) except -1:
        self.transport.resume_reading()
        return 0

    cdef int release(self) except -1:
        self.transport.close()
        return 0

    cdef int drop(self) except -1:
        self.transport.abort()
        return 0

    cdef int let_others_read(self) except -1:
        """A buffer was filled, and there may be more."""
        return 0

    cdef int forget(self) except -1:
        """The connection is gone: nothing of it is kept."""
        return 0


@cython.final
@cython.no_gc
cdef class PlainLeg(TransportLeg):
    """Writes to the socket itself, so that the bytes received are the bytes sent, and a failed
    write leaves what the peer sent before readable."""

    def __cinit__(self):
        self._writer = -1
        self._wanted = True

    def __init__(self, transport):
        super().__init__(transport)
        self.fd = transport.get_extra_info("socket").fileno()

    def __dealloc__(self):
        queue_clear(&self._queue)
        if self._writer != -1:
            c_close(self._writer)

    def writable(self):
        """The socket has room again."""
        self._flush()

    def read_on(self):
        """The others had their turn."""
        self._waiting = False
        if self._wanted and not self.transport.is_closing():
            self.transport.resume_reading()

    cdef int attach(self, LegTunnel tunnel, Side side) except -1:
        TransportLeg.attach(self, tunnel, side)
        tune(self.fd, tunnel.rules.stall)
        return 0

    cdef int pause(self) except -1:
        self._wanted = False
        return 0 if self._waiting else TransportLeg.pause(self)

    cdef int resume(self) except -1:
        self._wanted = True
        return 0 if self._waiting else TransportLeg.resume(self)

    cdef size_t send(self, const uint8_t* data, size_t size) except? -1:
        cdef Py_ssize_t sent = 0
        if queue_size(&self._queue) == 0:
            sent = self._write(data, size)
        if sent < <Py_ssize_t> size and not self.broken:
            self._enqueue(data + sent, size - sent)
        return queue_size(&self._queue)

    cdef size_t queued(self) except? -1:
        return queue_size(&self._queue)

    cdef size_t untaken(self) except? -1:
        cdef size_t queued = queue_size(&self._queue)
        return queued + unsent(self.fd) if queued else 0

    cdef int send_eof(self) except -1:
        c_shutdown(self.fd, SHUT_WR)
        return 0

    cdef int let_others_read(self) except -1:
        # The loop would fill it many times before anybody else has a turn.
        if self._wanted and not self.transport.is_closing():
            self._waiting = True
            self.transport.pause_reading()
            self.tunnel.driver.loop.call_soon(self.read_on)
        return 0

    cdef int check(self, bint eof) except -1:
        if queue_size(&self._queue) and self._writer == -1:
            self._flush()
        if eof and is_reset(self.fd):
            # The loop no longer reads here, and would not see it.
            self.transport.abort()
        return 0

    cdef int forget(self) except -1:
        self._clear()
        self.fd = -1
        return 0

    cdef Py_ssize_t _write(self, const uint8_t* data, size_t size) noexcept:
        cdef Py_ssize_t sent
        if self.broken:
            return size
        sent = send_some(self.fd, data, size)
        if sent >= 0:
            return sent
        # What the peer sent before it went is still to be read: that side tells the end.
        self.broken = True
        return size

    cdef int _enqueue(self, const uint8_t* data, size_t size) except -1:
        if not queue_append(&self._queue, data, size):
            raise MemoryError
        if self._writer == -1:
            # The loop does not let us watch a transport's own descriptor.
            self._writer = c_dup(self.fd)
            if self._writer != -1:
                self.tunnel.driver.loop.add_writer(self._writer, self.writable)
        return 0

    cdef int _flush(self) except -1:
        self._queue.start += self._write(self._queue.memory + self._queue.start,
                                         queue_size(&self._queue))
        if self.broken or queue_size(&self._queue) == 0:
            self._clear()
            self.tunnel.drained(self.side)
        return 0

    cdef int _clear(self) except -1:
        queue_clear(&self._queue)
        if self._writer != -1:
            self.tunnel.driver.loop.remove_writer(self._writer)
            c_close(self._writer)
            self._writer = -1
        return 0


@cython.final
@cython.no_gc
cdef class TlsLeg(TransportLeg):
    """Writes through the transport, which encrypts."""

    cdef int attach(self, LegTunnel tunnel, Side side) except -1:
        TransportLeg.attach(self, tunnel, side)
        # pause_writing as soon as anything is queued, resume_writing when nothing is
        self.transport.set_write_buffer_limits(high=1, low=0)
        self.transport.set_read_buffer_limits(high=tunnel.rules.queued_bytes)
        tune(self.transport.get_extra_info("socket").fileno(), tunnel.rules.stall)
        return 0

    def eof_received(self):
        # TLS has no half-closed state here: the transport ends after this.
        self.broken = True
        self.tunnel.eof(self.side)

    def resume_writing(self):
        self.tunnel.drained(self.side)

    cdef size_t send(self, const uint8_t* data, size_t size) except? -1:
        if self.broken or size == 0:
            return 0
        self.transport.write(PyBytes_FromStringAndSize(<const char*> data, size))
        return self.queued()

    cdef size_t queued(self) except? -1:
        return 0 if self.broken else self.transport.get_write_buffer_size()

    cdef int send_eof(self) except -1:
        # close_notify, and the end: see eof_received
        self.broken = True
        self.transport.close()
        return 0
