"""See _sockets.pxd, the table of contents."""

import os

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINPROGRESS, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, errno
from libc.stdint cimport uint8_t, uint64_t

from fastws._driver cimport BUFFER_SIZE, Driver, Leg, LegTunnel
from fastws._net cimport (
    MSG_DONTWAIT,
    MSG_MORE,
    MSG_NOSIGNAL,
    SHUT_WR,
    SO_ERROR,
    SOCK_STREAM,
    SOL_SOCKET,
    c_close,
    c_connect,
    c_recv,
    c_send,
    c_shutdown,
    c_socket,
    getsockopt,
    is_reset,
    send_some,
    sockaddr,
    socklen_t,
    tune,
    unsent,
)
from fastws._queue cimport queue_append, queue_clear, queue_size
from fastws._relay cimport Relay, Side


cdef extern from "<fcntl.h>" nogil:
    enum:
        F_SETPIPE_SZ
        SPLICE_F_MOVE
        SPLICE_F_NONBLOCK
    int fcntl(int fd, int command, ...)
    Py_ssize_t splice(int source, void* start, int sink, void* place, size_t size,
                      unsigned int flags)

cdef extern from "<unistd.h>" nogil:
    Py_ssize_t c_read "read"(int fd, void* data, size_t size)

cdef extern from "<sys/socket.h>" nogil:
    enum:
        SOCK_CLOEXEC
        SOCK_NONBLOCK
    int accept4(int fd, sockaddr* address, socklen_t* size, int flags)


# So many connections are accepted before others get their turn.
cdef int BATCH = 64
# Out of descriptors or memory: how long nothing is accepted, or done, in seconds.
cdef double REST = 0.1
# Payload of which so much is to come is spliced; a message of 64 KiB comes whole, and is cheaper
# copied than cut in two. Before large payload no more is read than its header, and little else.
cdef size_t LARGE = 64 * 1024
cdef size_t HEADER = 4 * 1024
# What a protocol may write before it is told to pause.
cdef size_t MAX_QUEUED = 64 * 1024


cdef class Sockets:
    """Accepts and connects for `driver`."""

    def __cinit__(self):
        self.splice_in = self.splice_out = -1

    def __init__(self, Driver driver not None):
        self.driver = driver
        self._ended = []
        self.splice_out, self.splice_in = os.pipe()
        fcntl(self.splice_in, F_SETPIPE_SZ, 1024 * 1024)

    def __dealloc__(self):
        if self.splice_in != -1:
            c_close(self.splice_in)
            c_close(self.splice_out)

    def listen(self, sock, factory, double stall):
        """Accept from a listening socket; `factory()` makes the protocol of a connection. `stall`:
        see `tune`. Returns what `close()` ends it by."""
        tune(sock.fileno(), stall)
        return Acceptor(self, sock, factory)

    def connect(self, bytes address not None, protocol, double stall):
        """Connect to a packed sockaddr, and return the transport at once. `protocol` is told by
        `connection_made`, maybe before this returns, or by `connect_failed(error)`.

        Raises OSError if it fails at once.
        """
        cdef const sockaddr* where = <const sockaddr*> PyBytes_AS_STRING(address)
        cdef int fd = c_socket(where.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        cdef int outcome
        cdef SocketLeg leg
        if fd < 0:
            raise failure(errno)
        leg = self._leg()
        leg.begin(self, fd, protocol)
        tune(fd, stall)
        outcome = begin_connect(fd, where, <socklen_t> PyBytes_GET_SIZE(address))
        if outcome == 0:
            self._made(leg)
        elif outcome == EINPROGRESS:
            leg.connecting = True
            leg._await_room()
        else:
            raise failure(outcome)
        return leg

    def adopt(self, int fd, bytes queued not None):
        """The leg, at rest, of a connection that another process had; `queued` is what that had
        still to send. The descriptor is the leg's from now on."""
        cdef SocketLeg leg = self._leg()
        leg.begin(self, fd, None)
        leg.resting = True
        if queued:
            leg._enqueue(<const uint8_t*> queued, len(queued))
        return leg

    def turn(self):
        """Let everything happen that is due."""
        self._scheduled = False
        self._busy = True
        try:
            self._turn()
            self._bury()
        except OSError:
            # Who waited for this turn has another, but the loop is not kept busy with that.
            self._scheduled = True
            self.driver.loop.call_later(REST, self.turn)
            raise
        finally:
            self._busy = False

    # turns

    cdef int wake(self) except -1:
        """Something has to be done that no event will bring."""
        if not self._busy and not self._scheduled:
            self._scheduled = True
            self.driver.loop.call_soon(self.turn)
        return 0

    cdef int end(self, SocketLeg leg) except -1:
        """Nothing is under way for `leg` any more: close it, and say so when nobody is in the
        middle of something."""
        self._ended.append(leg)
        return self.wake()

    cdef int _bury(self) except -1:
        cdef list ended
        cdef SocketLeg leg
        while self._ended:
            ended, self._ended = self._ended, []
            for leg in ended:
                try:
                    leg.lost()
                except Exception as error:
                    self._fault(leg, error)
        return 0

    cdef int _made(self, SocketLeg leg) except -1:
        """There is a connection: tell its protocol."""
        try:
            leg.connected()
        except Exception as error:
            self._fault(leg, error)
        return 0

    cdef int _fault(self, SocketLeg leg, error) except -1:
        """A protocol raised what it should not have: its connection is over."""
        self.driver.loop.call_exception_handler({
            "message": "fault in a connection", "exception": error})
        return leg.drop()

    # hooks: what a driver does

    cdef SocketLeg _leg(self):
        """Make one of the driver's own kind."""
        raise NotImplementedError

    cdef int _turn(self) except -1:
        raise NotImplementedError


@cython.final
cdef class Acceptor:
    """Accepts from one listening socket."""
    cdef Sockets sockets
    cdef object _socket
    cdef int fd
    cdef object _factory
    cdef object _rest              # the timer that ends a time without accepting

    def __init__(self, Sockets sockets not None, sock, factory):
        self.sockets = sockets
        self._socket = sock
        self.fd = sock.fileno()
        self._factory = factory
        self.resume()

    def resume(self):
        """Accept again."""
        self._rest = None
        self.sockets.driver.loop.add_reader(self.fd, self.accept)

    def close(self):
        """Close the socket."""
        if self._rest is not None:
            self._rest.cancel()
        self.sockets.driver.loop.remove_reader(self.fd)
        self._socket.close()

    def accept(self):
        """Take what waits, a batch of it at most."""
        self.accept_some(BATCH)

    def accept_some(self, int most):
        """Take what waits, so many at most."""
        cdef int fd
        cdef SocketLeg leg
        for _ in range(most):
            fd = accept4(self.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                self._failed(errno)
                break
            leg = self.sockets._leg()
            leg.begin(self.sockets, fd, None)
            leg.protocol = self._factory()
            self.sockets._made(leg)

    cdef int _failed(self, int number) except -1:
        if number in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
            # Nobody can be turned away either. The client waits in the backlog until there is room.
            self.sockets.driver.loop.remove_reader(self.fd)
            self._rest = self.sockets.driver.loop.call_later(REST, self.resume)
        return 0


cdef inline Py_ssize_t move(int source, int sink, size_t size) noexcept nogil:
    return splice(source, NULL, sink, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)


cdef failure(int number):
    """The OSError of an error number."""
    return OSError(number, os.strerror(number))


cdef int begin_connect(int fd, const sockaddr* address, socklen_t size) noexcept nogil:
    """0 if it is done, EINPROGRESS, or the number of the error."""
    if c_connect(fd, address, size) == 0:
        return 0
    if errno != EINPROGRESS:
        return errno
    # What is near has answered, though the system says that it takes its time.
    if c_send(fd, NULL, 0, MSG_DONTWAIT | MSG_NOSIGNAL) == 0:
        return 0
    return EINPROGRESS if errno == EAGAIN else errno


@cython.no_gc
cdef class SocketLeg(Leg):
    """One connection on a bare descriptor."""

    def __cinit__(self):
        self.fd = -1

    def __dealloc__(self):
        queue_clear(&self._queue)
        if self.fd != -1:
            c_close(self.fd)

    # a transport, while HTTP is spoken (see asyncio.Transport)

    def fileno(self):
        """The descriptor, or -1 when it is closed."""
        return self.fd

    def get_extra_info(self, name, default=None):
        """As "socket" the transport itself, which has a descriptor; nothing else."""
        return self if name == "socket" else default

    def set_protocol(self, protocol):
        """Tell `protocol` from now on."""
        self.protocol = protocol

    def write(self, bytes data not None):
        """Send `data`, or queue it."""
        if self.closing or self.finishing:
            return
        if (self.send(<const uint8_t*> data, len(data)) > MAX_QUEUED and not self.full
                and self.tunnel is None):
            self.full = True
            self.protocol.pause_writing()

    def get_write_buffer_size(self):
        """The bytes that the socket has not taken."""
        return self.queued()

    def can_write_eof(self):
        return True

    def write_eof(self):
        """End our half behind what is queued."""
        self.finishing = True
        if self.queued() == 0:
            self.send_eof()

    def pause_reading(self):
        self.pause()

    def resume_reading(self):
        self.resume()

    def close(self):
        """End the connection behind what is queued."""
        self.closing = True
        self.pause()
        if self.queued() == 0:
            self.release()

    def abort(self):
        """End the connection."""
        self.drop()

    # a leg

    cdef int attach(self, LegTunnel tunnel, Side side) except -1:
        Leg.attach(self, tunnel, side)
        self.protocol = None
        return 0

    cdef size_t send(self, const uint8_t* data, size_t size) except? -1:
        if not self.broken:
            if queue_size(&self._queue):
                self._enqueue(data, size)
            else:
                self._send_now(data, size)
        return queue_size(&self._queue)

    cdef size_t queued(self) except? -1:
        return queue_size(&self._queue)

    cdef size_t untaken(self) except? -1:
        cdef size_t queued = self.queued()
        return queued + unsent(self.fd) if queued else 0

    cdef int pause(self) except -1:
        if self.wanted:
            self.wanted = False
            self._unwatch()
        return 0

    cdef int resume(self) except -1:
        if not self.wanted and not self.eof and not self.closed:
            self.wanted = True
            self._watch()
        return 0

    cdef int send_eof(self) except -1:
        c_shutdown(self.fd, SHUT_WR)
        return 0

    cdef int release(self) except -1:
        if not self.closed:
            self.closed = True
            self.wanted = False
            self._let_go()
        return 0

    cdef int drop(self) except -1:
        self.broken = True
        self._forget()
        return self.release()

    cdef int check(self, bint eof) except -1:
        if eof and not self.closed and is_reset(self.fd):
            self.drop()
        return 0

    # a tunnel that moves

    cdef bint movable(self) noexcept:
        return not self.closed and not self.broken

    cdef int rest(self) except -1:
        self.resting = True
        self.wanted = False
        return 0

    cdef bint at_rest(self) noexcept:
        return True

    cdef int go_on(self) except -1:
        self.resting = False
        return self._await_room() if self.queued() else 0

    cdef bytes backlog(self):
        return self._queue.memory[self._queue.start:self._queue.end]

    cdef int leave(self) except -1:
        c_close(self.fd)
        self.fd = -1
        self.closed = True
        return self._forget()

    # what the descriptor says

    cdef int begin(self, Sockets sockets, int fd, protocol) except -1:
        self.sockets = sockets
        self.fd = fd
        self.protocol = protocol
        return 0

    cdef int connected(self) except -1:
        self.connecting = False
        self.protocol.connection_made(self)
        return self.resume()

    cdef int readable(self) except -1:
        """There is something to read: take one buffer of it, so that others get their turn."""
        cdef Py_ssize_t got
        cdef size_t room = BUFFER_SIZE
        if self.reader is not None:
            if self._splice():
                return 0
            room = self.reader.room(self.side)
        if self.large:
            room = min(room, HEADER)
        got = c_recv(self.fd, self.sockets.driver.data, room, MSG_DONTWAIT)
        if got > 0:
            self.deliver(self.sockets.driver.data, got)
            if self.reader is not None and self.reader.unseen(self.side) >= LARGE:
                self.large = True
                self._splice()
            else:
                self.large = False
            return 0
        if got == 0:
            return self.ended()
        if errno != EAGAIN and errno != EINTR:
            return self.failed(errno)
        return 0

    cdef int writable(self) except -1:
        """There is room again, or the connection is made."""
        cdef int number = 0
        cdef socklen_t size = sizeof(number)
        cdef size_t queued = queue_size(&self._queue)
        cdef Py_ssize_t sent
        if self.connecting:
            getsockopt(self.fd, SOL_SOCKET, SO_ERROR, &number, &size)
            return self.failed(number) if number else self.connected()
        if queued == 0:
            return 0
        sent = send_some(self.fd, self._queue.memory + self._queue.start, queued, self._more())
        if sent < 0:
            # What the peer sent before it went is still to be read: that side tells the end.
            self.broken = True
        elif <size_t> sent < queued:
            self._queue.start += sent
            return self._await_room()
        self._forget()
        return self.drained()

    cdef int deliver(self, const uint8_t* data, size_t size) except -1:
        cdef Relay reader = self.reader   # it may be done with it
        if reader is not None:
            return reader.received(self.side, data, size)
        self.protocol.data_received(PyBytes_FromStringAndSize(<const char*> data, size))
        return 0

    cdef int ended(self) except -1:
        """The peer will send no more."""
        if self.eof or self.closed:
            return 0
        self.eof = True
        self.pause()
        if self.tunnel is not None:
            return self.tunnel.eof(self.side)
        if not self.protocol.eof_received():
            self.close()
        return 0

    cdef int failed(self, int number) except -1:
        """The connection broke."""
        self._error = failure(number)
        return self.drop()

    cdef int drained(self) except -1:
        """Nothing is queued any more."""
        cdef Relay writer = self.writer
        if self.tunnel is not None:
            return self.tunnel.drained(self.side)
        if writer is not None:
            writer.drained(self.side)
            if self.queued():
                return 0
        if self.full:
            self.full = False
            self.protocol.resume_writing()
            if self.queued():
                return 0           # the end goes behind what was written just now
        if self.finishing and not self.closed:
            self.send_eof()
        if self.closing:
            self.release()
        return 0

    cdef int lost(self) except -1:
        """The end, when nothing is under way any more."""
        protocol, self.protocol = self.protocol, None
        if self.fd != -1:
            c_close(self.fd)
            self.fd = -1
        self._forget()
        if self.tunnel is not None:
            self.tunnel.lost(self.side)
            return self.tunnel.look()
        self.reader = self.writer = None
        if self.connecting:
            protocol.connect_failed(self._error)
        else:
            protocol.connection_lost(self._error)
        return 0

    # private

    cdef bint _splice(self) except -1:
        """Move payload that nobody has to see from here to the other leg within the kernel (see
        splice(2)); False if that cannot be done now."""
        cdef Relay reader = self.reader
        cdef uint64_t unseen = reader.unseen(self.side)
        cdef SocketLeg sink
        cdef Py_ssize_t got, sent
        if unseen < LARGE or self.closed:
            return False
        other = reader.sink(self.side)
        if not isinstance(other, SocketLeg):
            return False
        sink = <SocketLeg> other
        if sink.broken or sink.queued() != 0:
            return False
        got = move(self.fd, self.sockets.splice_in, <size_t> min(unseen, <uint64_t> BUFFER_SIZE))
        if got <= 0:
            return False
        sent = move(self.sockets.splice_out, sink.fd, got)
        if sent < got:
            self._unload(sink, got - max(sent, <Py_ssize_t> 0))
        reader.passed(self.side, got)
        return True

    cdef int _unload(self, SocketLeg sink, size_t size) except -1:
        """Queue what `sink` did not take of what was spliced; if it is broken, that shows when it
        is written to."""
        cdef uint8_t* data = self.sockets.driver.data
        c_read(self.sockets.splice_out, data, size)
        sink._enqueue(data, size)
        return sink._await_room()

    cdef int _more(self) noexcept:
        """The flag for what is sent now: if it is the last, it waits for the end of the stream (see
        send(2), MSG_MORE), and one packet brings both."""
        cdef bint last
        if self.tunnel is None:
            last = self.finishing or self.closing
        else:
            last = self.tunnel.is_last(self.side)
        return MSG_MORE if last else 0

    cdef int _send_now(self, const uint8_t* data, size_t size) except -1:
        cdef Py_ssize_t sent = send_some(self.fd, data, size, self._more())
        if sent < 0:
            self.broken = True
        elif <size_t> sent < size:
            self._enqueue(data + sent, size - sent)
            self._await_room()
        return 0

    cdef int _enqueue(self, const uint8_t* data, size_t size) except -1:
        if not queue_append(&self._queue, data, size):
            raise MemoryError
        return 0

    cdef int _forget(self) except -1:
        queue_clear(&self._queue)
        return 0

    # hooks: what a driver does

    cdef int _watch(self) except -1:
        """Call `readable` when there is something, the end included."""
        raise NotImplementedError

    cdef int _unwatch(self) except -1:
        raise NotImplementedError

    cdef int _await_room(self) except -1:
        """Call `writable` once, when there is room."""
        raise NotImplementedError

    cdef int _let_go(self) except -1:
        """Forget the descriptor, and then call `sockets.end`."""
        raise NotImplementedError
