"""See _transport.pxd, the table of contents."""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

from fastws._relay cimport DOWNSTREAM, UPSTREAM, Rules, Side, Tunnel


cdef extern from "<sys/socket.h>" nogil:
    enum:
        MSG_DONTWAIT
        MSG_NOSIGNAL
        SHUT_WR
        SOL_SOCKET
        SO_KEEPALIVE
    Py_ssize_t c_send "send"(int fd, const void* data, size_t size, int flags)
    int shutdown(int fd, int how)
    int setsockopt(int fd, int level, int name, const void* value, unsigned int size)

cdef extern from "<netinet/in.h>" nogil:
    enum:
        IPPROTO_TCP

cdef extern from "<netinet/tcp.h>" nogil:
    """
    #ifdef TCP_KEEPIDLE
    #define FASTWS_KEEPIDLE TCP_KEEPIDLE
    #else  /* macOS */
    #define FASTWS_KEEPIDLE TCP_KEEPALIVE
    #endif
    #ifndef TCP_USER_TIMEOUT
    #define TCP_USER_TIMEOUT -1
    #endif
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    """
    enum:
        FASTWS_KEEPIDLE
        TCP_KEEPINTVL
        TCP_USER_TIMEOUT

cdef extern from "<poll.h>" nogil:
    enum:
        POLLERR
        POLLHUP
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd* fds, unsigned long count, int timeout)

cdef extern from "<arpa/inet.h>" nogil:
    enum:
        AF_INET
        AF_INET6
        INET6_ADDRSTRLEN
    ctypedef unsigned int socklen_t
    struct sockaddr:
        unsigned short sa_family
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr_in:
        unsigned short sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_port
        in6_addr sin6_addr
    struct sockaddr_storage:
        pass
    int getpeername(int fd, sockaddr* address, socklen_t* size)
    const char* inet_ntop(int family, const void* address, char* text, socklen_t size)
    unsigned short ntohs(unsigned short port)

cdef extern from "<sys/ioctl.h>" nogil:
    enum:
        TIOCOUTQ        # SIOCOUTQ (tcp(7), unix(7)) under its portable name
    int ioctl(int fd, unsigned long request, int* value)

cdef extern from "<unistd.h>" nogil:
    int c_dup "dup"(int fd)
    int c_close "close"(int fd)


cdef enum:
    # One receive may bring this much: a message of 64 KiB whole. A stalled direction may have to
    # queue it.
    BUFFER_SIZE = 128 * 1024
    MIN_READ = 4 * 1024
    # A silent peer is asked after a minute, and then four times a minute.
    KEEPALIVE_IDLE = 60
    KEEPALIVE_INTERVAL = 15


cdef void set_option(int fd, int level, int name, int value) noexcept:
    # Without effect on a Unix socket, which needs none of this.
    setsockopt(fd, level, name, &value, sizeof(value))


cdef void tune(int fd, double stall) noexcept:
    """A peer that vanished is noticed: `stall` seconds without an answer are its end. (The loop
    has set TCP_NODELAY.)"""
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    set_option(fd, IPPROTO_TCP, FASTWS_KEEPIDLE, KEEPALIVE_IDLE)
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
    if TCP_USER_TIMEOUT != -1 and stall:
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, <int> min(stall * 1000, 2.0 ** 31 - 1))


def peer_address(int fd):
    """The address and port of the peer of a TCP socket; ("", 0) for any other."""
    cdef sockaddr_storage storage
    cdef sockaddr* address = <sockaddr*> &storage
    cdef socklen_t size = sizeof(storage)
    cdef char text[INET6_ADDRSTRLEN]
    if getpeername(fd, address, &size) != 0:
        return "", 0
    if address.sa_family == AF_INET:
        inet_ntop(AF_INET, &(<sockaddr_in*> address).sin_addr, text, sizeof(text))
        return text.decode("ascii"), ntohs((<sockaddr_in*> address).sin_port)
    if address.sa_family == AF_INET6:
        inet_ntop(AF_INET6, &(<sockaddr_in6*> address).sin6_addr, text, sizeof(text))
        return text.decode("ascii"), ntohs((<sockaddr_in6*> address).sin6_port)
    return "", 0


@cython.final
cdef class TransportDriver:
    """Relays between transports of `loop`, a uvloop loop. `interval`: seconds between two looks
    at the clock, which is how late a time limit of a tunnel may be."""

    def __init__(self, loop, *, double interval=1):
        self.loop = loop
        self._buffer = bytearray(BUFFER_SIZE)
        self.view = memoryview(self._buffer)
        self.data = <uint8_t*> PyByteArray_AS_STRING(self._buffer)
        self.tunnels = set()
        self._interval = interval

    def __len__(self):
        """How many tunnels are open."""
        return len(self.tunnels)

    def open(self, Rules rules not None, downstream, upstream, *, head, bytes early_downstream,
             bytes early_upstream, uint8_t rsv_first=0, uint8_t rsv_rest=0, on_over):
        """Take over two transports and relay between them.

        `head` is the answer that the client still has to get, the early bytes are what came
        behind either head. `on_over(tunnel)` is called when both connections are gone.
        """
        cdef TransportTunnel tunnel = TransportTunnel(rules, rsv_first=rsv_first,
                                                      rsv_rest=rsv_rest)
        tunnel.driver = self
        tunnel._on_over = on_over
        tunnel._downstream = leg(tunnel, DOWNSTREAM, downstream)
        tunnel._upstream = leg(tunnel, UPSTREAM, upstream)
        self.tunnels.add(tunnel)
        if self._timer is None:
            self._timer = self.loop.call_later(self._interval, self.tick)
        tunnel.start(head, early_downstream, early_upstream)
        return tunnel

    def tick(self):
        """Let every tunnel look at the clock."""
        cdef double now = self.loop.time()
        cdef TransportTunnel tunnel
        self._timer = None
        for tunnel in list(self.tunnels):
            tunnel.check(now)
        if self.tunnels:
            self._timer = self.loop.call_later(self._interval, self.tick)

    def shut_down(self, int code, bytes reason):
        """Close every tunnel with `code`, each at its next frame boundaries."""
        cdef TransportTunnel tunnel
        for tunnel in list(self.tunnels):
            tunnel.shut_down(code, reason)

    def abort(self):
        """Let go of every connection now."""
        cdef TransportTunnel tunnel
        for tunnel in list(self.tunnels):
            tunnel.abort()


cdef Leg leg(TransportTunnel tunnel, Side side, transport):
    cdef Leg made
    if transport.get_extra_info("ssl_object") is None:
        made = PlainLeg(tunnel, side, transport)
    else:
        made = TlsLeg(tunnel, side, transport)
    transport.set_protocol(made)
    return made


@cython.final
cdef class TransportTunnel(Tunnel):
    """A tunnel between two transports."""

    def start(self, bytes head, bytes early_downstream, bytes early_upstream):
        """Send the answer, then the bytes that came behind the heads; from now on, read."""
        self._resume(DOWNSTREAM)
        self._resume(UPSTREAM)
        self._send(DOWNSTREAM, <const uint8_t*> head, len(head))
        self.received(UPSTREAM, <const uint8_t*> early_upstream, len(early_upstream))
        self.received(DOWNSTREAM, <const uint8_t*> early_downstream, len(early_downstream))

    cdef inline Leg _leg(self, Side side):
        return self._downstream if side == DOWNSTREAM else self._upstream

    cdef int check(self, double now) except -1:
        cdef Side side
        for side in range(2):
            if not self.ends[side].gone:
                self._leg(side).check(self.ends[side].eof)
        return self.tick(now)

    # hooks

    cdef size_t _send(self, Side side, const uint8_t* data, size_t size) except? -1:
        return self._leg(side).send(data, size)

    cdef size_t _queued(self, Side side) except? -1:
        return self._leg(side).queued()

    cdef size_t _untaken(self, Side side) except? -1:
        return self._leg(side).untaken()

    cdef int _wake_in(self, double seconds) except -1:
        self.driver.loop.call_later(seconds, self.wake)
        return 0

    cdef int _pause(self, Side side) except -1:
        self._leg(side).transport.pause_reading()
        return 0

    cdef int _resume(self, Side side) except -1:
        self._leg(side).transport.resume_reading()
        return 0

    cdef int _send_eof(self, Side side) except -1:
        return self._leg(side).send_eof()

    cdef int _release(self, Side side) except -1:
        self._leg(side).transport.close()
        return 0

    cdef int _abort(self, Side side) except -1:
        self._leg(side).transport.abort()
        return 0

    cdef int _over(self) except -1:
        self.driver.tunnels.discard(self)
        self._on_over(self)
        self._on_over = None
        self._downstream = self._upstream = None  # they refer to us
        return 0


cdef class Leg:
    """The protocol of one connection of a tunnel (an `asyncio.BufferedProtocol` in all but
    inheritance, which a C class cannot have)."""

    def __init__(self, TransportTunnel tunnel not None, Side side, transport):
        self.tunnel = tunnel
        self.side = side
        self.transport = transport

    def get_buffer(self, sizehint):
        cdef size_t queued = self.tunnel._queued(self.tunnel._other(self.side))
        if queued == 0:
            return self.tunnel.driver.view
        # The queue grows by no more than brings it to the buffer's size.
        return self.tunnel.driver.view[:max(MIN_READ, BUFFER_SIZE - <ssize_t> queued)]

    def buffer_updated(self, size_t size):
        self.tunnel.received(self.side, self.tunnel.driver.data, size)

    def eof_received(self):
        self.tunnel.eof(self.side)
        return True

    def pause_writing(self):
        pass

    def resume_writing(self):
        pass

    def connection_lost(self, exc):
        cdef TransportTunnel tunnel = self.tunnel
        self.broken = True
        self.forget()
        tunnel.lost(self.side)

    cdef size_t send(self, const uint8_t* data, size_t size) except? -1:
        raise NotImplementedError

    cdef size_t queued(self) except? -1:
        raise NotImplementedError

    cdef size_t untaken(self) except? -1:
        """What is queued here or in the system; 0 if nothing is queued here."""
        return self.queued()

    cdef int send_eof(self) except -1:
        raise NotImplementedError

    cdef int check(self, bint eof) except -1:
        """What no event tells: called with the clock."""
        return 0

    cdef int forget(self) except -1:
        """The connection is gone: nothing of it is kept."""
        return 0


@cython.final
cdef class PlainLeg(Leg):
    """Writes to the socket itself, so that the bytes received are the bytes sent, and a failed
    write leaves what the peer sent before readable."""

    def __init__(self, TransportTunnel tunnel not None, Side side, transport):
        super().__init__(tunnel, side, transport)
        self._writer = -1
        self.fd = transport.get_extra_info("socket").fileno()
        tune(self.fd, tunnel.rules.stall)

    def __dealloc__(self):
        free(self._queue)
        if self._writer != -1:
            c_close(self._writer)

    cdef size_t send(self, const uint8_t* data, size_t size) except? -1:
        cdef Py_ssize_t sent = 0
        if self._end == 0:
            sent = self._write(data, size)
        if sent < <Py_ssize_t> size and not self.broken:
            self._enqueue(data + sent, size - sent)
        return self._end - self._start

    cdef size_t queued(self) except? -1:
        return self._end - self._start

    cdef size_t untaken(self) except? -1:
        cdef int unsent = 0
        if self._end:
            ioctl(self.fd, TIOCOUTQ, &unsent)
        return self._end - self._start + <size_t> unsent

    cdef int send_eof(self) except -1:
        shutdown(self.fd, SHUT_WR)
        return 0

    cdef int check(self, bint eof) except -1:
        cdef pollfd probe
        if self._end and self._writer == -1:
            self._flush()
        if eof:
            # The loop no longer reads here, and would not see a reset.
            probe.fd = self.fd
            probe.events = 0
            if poll(&probe, 1, 0) > 0 and probe.revents & (POLLERR | POLLHUP):
                self.transport.abort()
        return 0

    cdef int forget(self) except -1:
        self._clear()
        self.fd = -1
        return 0

    def writable(self):
        """The socket has room again."""
        self._flush()

    cdef Py_ssize_t _write(self, const uint8_t* data, size_t size) noexcept:
        cdef Py_ssize_t sent
        if self.broken:
            return size
        while True:
            sent = c_send(self.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
            if sent >= 0:
                return sent
            if errno == EAGAIN:
                return 0
            if errno != EINTR:
                # What the peer sent before it went is still to be read: that side tells the end.
                self.broken = True
                return size

    cdef int _enqueue(self, const uint8_t* data, size_t size) except -1:
        cdef size_t used = self._end - self._start
        cdef uint8_t* grown
        if self._start:
            memmove(self._queue, self._queue + self._start, used)
            self._start = 0
            self._end = used
        if self._capacity < used + size:
            grown = <uint8_t*> realloc(self._queue, used + size)
            if grown is NULL:
                raise MemoryError
            self._queue = grown
            self._capacity = used + size
        memcpy(self._queue + used, data, size)
        self._end = used + size
        if self._writer == -1:
            # The loop does not let us watch a transport's own descriptor.
            self._writer = c_dup(self.fd)
            if self._writer != -1:
                self.tunnel.driver.loop.add_writer(self._writer, self.writable)
        return 0

    cdef int _flush(self) except -1:
        self._start += self._write(self._queue + self._start, self._end - self._start)
        if self.broken or self._start == self._end:
            self._clear()
            self.tunnel.drained(self.side)
        return 0

    cdef int _clear(self) except -1:
        free(self._queue)
        self._queue = NULL
        self._start = self._end = self._capacity = 0
        if self._writer != -1:
            self.tunnel.driver.loop.remove_writer(self._writer)
            c_close(self._writer)
            self._writer = -1
        return 0


@cython.final
cdef class TlsLeg(Leg):
    """Writes through the transport, which encrypts."""

    def __init__(self, TransportTunnel tunnel not None, Side side, transport):
        super().__init__(tunnel, side, transport)
        # pause_writing as soon as anything is queued, resume_writing when nothing is
        transport.set_write_buffer_limits(high=1, low=0)
        transport.set_read_buffer_limits(high=tunnel.rules.queued_bytes)
        tune(transport.get_extra_info("socket").fileno(), tunnel.rules.stall)

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
