"""See _driver.pxd, the table of contents."""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.stdint cimport uint8_t, uint16_t, uint64_t

from fastws._net cimport (
    AF_INET,
    AF_INET6,
    INET6_ADDRSTRLEN,
    getpeername,
    getsockname,
    inet_ntop,
    ntohs,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    socklen_t,
)
from fastws._pipe cimport Rules
from fastws._relay cimport DOWNSTREAM, OPEN, UPSTREAM, Ending, Side, Tunnel

# What is read at least, while something is queued.
cdef size_t MIN_READ = 4 * 1024

# Tunnels that look at the clock in one turn. Thousands that opened together fall silent together:
# to ping both sides of 5000 in one turn held up all others for 90 ms.
cdef int LOOKS = 64


def peer_address(int fd):
    """The address and port of the peer of a TCP socket; ("", 0) for any other."""
    cdef sockaddr_storage storage
    cdef socklen_t size = sizeof(storage)
    if getpeername(fd, <sockaddr*> &storage, &size) != 0:
        return "", 0
    return spelled(<sockaddr*> &storage)


def own_address(int fd):
    """The address and port of a TCP socket itself; ("", 0) for any other."""
    cdef sockaddr_storage storage
    cdef socklen_t size = sizeof(storage)
    if getsockname(fd, <sockaddr*> &storage, &size) != 0:
        return "", 0
    return spelled(<sockaddr*> &storage)


cdef tuple spelled(const sockaddr* address):
    cdef char text[INET6_ADDRSTRLEN]
    if address.sa_family == AF_INET:
        inet_ntop(AF_INET, &(<sockaddr_in*> address).sin_addr, text, sizeof(text))
        return text.decode("ascii"), ntohs((<sockaddr_in*> address).sin_port)
    if address.sa_family == AF_INET6:
        inet_ntop(AF_INET6, &(<sockaddr_in6*> address).sin6_addr, text, sizeof(text))
        return text.decode("ascii"), ntohs((<sockaddr_in6*> address).sin6_port)
    return "", 0


cdef size_t room_beside(size_t queued) noexcept:
    """How much may be read while so much is queued: a queue grows by no more than brings it to the
    buffer's size."""
    return MIN_READ if queued + MIN_READ >= BUFFER_SIZE else BUFFER_SIZE - queued


@cython.final
cdef class Driver:
    """Relays between the legs of tunnels on `loop`, a uvloop loop. `interval`: seconds between two
    looks at the clock, which is how late a time limit of a tunnel may be."""

    def __init__(self, loop, *, double interval=1):
        self.loop = loop
        self._buffer = bytearray(BUFFER_SIZE)
        self.view = memoryview(self._buffer)
        self.data = <uint8_t*> PyByteArray_AS_STRING(self._buffer)
        self.interval = interval

    def __len__(self):
        """How many tunnels are open."""
        return self._count

    def open(self, Rules rules not None, Leg downstream not None, Leg upstream not None, *,
             bytes head, bytes early_downstream, bytes early_upstream, uint8_t rsv_first=0,
             uint8_t rsv_rest=0, passage):
        """Take over two connections and relay between them.

        `head` is the answer that the client still has to get, the early bytes are what came
        behind either head. `passage.over(tunnel)` is called when both connections are gone.
        """
        cdef LegTunnel tunnel = LegTunnel(rules, rsv_first=rsv_first, rsv_rest=rsv_rest)
        self._link(tunnel, downstream, upstream, passage)
        tunnel.start(head, early_downstream, early_upstream)
        return tunnel

    def adopt(self, bytes state not None, Leg downstream not None, Leg upstream not None, *,
              passage):
        """A tunnel that another process had, at rest until `go_on` is called; `state` is what its
        `state()` was there.

        Raises ValueError as `Tunnel.restore` does; then it is not ours, and the legs are free.
        """
        cdef LegTunnel tunnel = LegTunnel.__new__(LegTunnel)
        tunnel.restore(state, self.loop.time())
        tunnel.resting = True
        self._link(tunnel, downstream, upstream, passage)
        return tunnel

    def tick(self):
        """Let every tunnel look at the clock, some of them in this turn of the loop."""
        self._looking = self._first
        self._look()

    def _look(self):
        cdef double now = self.loop.time()
        cdef LegTunnel tunnel
        self._timer = None
        for _ in range(LOOKS):
            tunnel = self._looking
            if tunnel is None:
                break
            self._looking = tunnel._next
            tunnel.check(now)
        if self._looking is not None:
            self._timer = self.loop.call_soon(self._look)
        elif self._count:
            self._timer = self.loop.call_later(self.interval, self.tick)

    def traffic(self):
        """What went through the open tunnels: bytes from and to clients, then messages."""
        cdef LegTunnel tunnel = self._first
        cdef uint64_t bytes_in = 0, bytes_out = 0, messages_in = 0, messages_out = 0
        while tunnel is not None:
            bytes_in += tunnel.upward.forwarded
            bytes_out += tunnel.downward.forwarded
            messages_in += tunnel.upward.messages
            messages_out += tunnel.downward.messages
            tunnel = tunnel._next
        return bytes_in, bytes_out, messages_in, messages_out

    def movable(self):
        """How many tunnels could move to another process."""
        cdef LegTunnel tunnel = self._first
        cdef int count = 0
        while tunnel is not None:
            count += tunnel._movable()
            tunnel = tunnel._next
        return count

    def abort(self):
        """Let go of every connection now."""
        cdef LegTunnel tunnel
        for tunnel in self.tunnels():
            tunnel.abort()

    def tunnels(self):
        """All that are open, the youngest first."""
        cdef list tunnels = []
        cdef LegTunnel tunnel = self._first
        while tunnel is not None:
            tunnels.append(tunnel)
            tunnel = tunnel._next
        return tunnels

    cdef int _link(self, LegTunnel tunnel, Leg downstream, Leg upstream, passage) except -1:
        tunnel.driver = self
        tunnel.passage = passage
        tunnel._downstream = downstream
        tunnel._upstream = upstream
        tunnel._next = self._first
        if self._first is not None:
            self._first._previous = tunnel
        self._first = tunnel
        self._count += 1
        if self._timer is None:
            self._timer = self.loop.call_later(self.interval, self.tick)
        downstream.attach(tunnel, DOWNSTREAM)
        upstream.attach(tunnel, UPSTREAM)
        return 0

    cdef int _unlink(self, LegTunnel tunnel) except -1:
        if tunnel._previous is None:
            self._first = tunnel._next
        else:
            tunnel._previous._next = tunnel._next
        if tunnel._next is not None:
            tunnel._next._previous = tunnel._previous
        if tunnel is self._looking:
            self._looking = tunnel._next
        tunnel._previous = tunnel._next = None
        self._count -= 1
        return 0


@cython.final
@cython.no_gc
cdef class LegTunnel(Tunnel):
    """A tunnel between two legs. (Not for the collector: its cycles are cut when it is over.)"""

    def start(self, bytes head, bytes early_downstream, bytes early_upstream):
        """Send the answer, then the bytes that came behind the heads; from now on, read."""
        self._resume(DOWNSTREAM)
        self._resume(UPSTREAM)
        self._send(DOWNSTREAM, <const uint8_t*> head, len(head))
        self.received(UPSTREAM, <const uint8_t*> early_upstream, len(early_upstream))
        self.received(DOWNSTREAM, <const uint8_t*> early_downstream, len(early_downstream))

    cdef inline Leg _leg(self, Side side):
        return self._downstream if side == DOWNSTREAM else self._upstream

    cdef size_t room(self, Side side) except? -1:
        return room_beside(self._queued(self._other(side)))

    cdef object sink(self, Side side):
        return self._leg(self._other(side))

    cdef int check(self, double now) except -1:
        cdef Side side
        if self.resting:
            return 0
        for side in range(2):
            if not self.ends[side].gone:
                self._leg(side).check(self.ends[side].eof)
        return self.tick(now)

    # moving

    @property
    def movable(self):
        """Could it move to another process?"""
        return self._movable()

    def rest(self, told):
        """Stop reading, and call `told()` when nothing is under way any more: then `resting` says
        whether the tunnel can move. Until `go_on` or `leave`, what its peers send waits in the
        system's buffers."""
        self._told = told
        if self._movable():
            self.resting = True
            self._downstream.rest()
            self._upstream.rest()
        self.look()

    @property
    def descriptors(self):
        """Those of the client's connection and of the server's."""
        return self._downstream.fileno(), self._upstream.fileno()

    @property
    def queued(self):
        """What is still to be sent to the client, and to the server."""
        return self._downstream.backlog(), self._upstream.backlog()

    def go_on(self):
        """Read again: the tunnel is here, and stays."""
        cdef Side side
        if not self.resting:
            return
        self.resting = False
        farewell, self._farewell = self._farewell, None
        for side in range(2):
            self._leg(side).go_on()
        for side in range(2):
            if not self.ends[side].paused:
                self._leg(side).resume()
        if farewell is not None:
            self.shut_down(*farewell)

    def leave(self):
        """Forget a tunnel at rest, which goes on in another process: nothing is said to its peers,
        nor to its passage."""
        if not self.resting:
            return
        self.resting = False
        self.passage = None
        self._downstream.leave()
        self._upstream.leave()
        self._downstream = self._upstream = None
        self.driver._unlink(self)

    cpdef int shut_down(self, uint16_t code, bytes reason, Ending ending) except -1:
        if not self.resting:
            return Tunnel.shut_down(self, code, reason, ending)
        # Perhaps it is not ours any more: that is seen when it goes on, or leaves.
        self._farewell = code, reason, ending
        return 0

    cdef bint _movable(self) noexcept:
        return (self.ending == OPEN and self._farewell is None
                and self._downstream is not None
                and self._downstream.movable() and self._upstream.movable())

    cdef int look(self) except -1:
        """Something that was under way may have been the last."""
        if self._told is None:
            return 0
        if not self._movable():
            self.go_on()
        elif not (self._downstream.at_rest() and self._upstream.at_rest()):
            return 0
        told, self._told = self._told, None
        self.driver.loop.call_soon(told)
        return 0

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
        return self._leg(side).pause()

    cdef int _resume(self, Side side) except -1:
        return 0 if self.resting else self._leg(side).resume()

    cdef int _send_eof(self, Side side) except -1:
        return self._leg(side).send_eof()

    cdef int _release(self, Side side) except -1:
        return self._leg(side).release()

    cdef int _abort(self, Side side) except -1:
        return self._leg(side).drop()

    cdef int _over(self) except -1:
        passage, self.passage = self.passage, None
        self.resting = False
        self.driver._unlink(self)
        self._downstream = self._upstream = None  # they refer to us
        passage.over(self)
        return 0


@cython.no_gc
cdef class Leg:
    """One connection of a tunnel; each driver has its kind."""

    cdef int attach(self, LegTunnel tunnel, Side side) except -1:
        """Belong to `tunnel`: it is told from now on what the connection says."""
        self.tunnel = tunnel
        self.reader = tunnel
        self.side = side
        return 0

    cdef size_t send(self, const uint8_t* data, size_t size) except? -1:
        """Send or queue; returns what is then queued."""
        raise NotImplementedError

    cdef size_t queued(self) except? -1:
        raise NotImplementedError

    cdef size_t untaken(self) except? -1:
        """What is queued here or in the system; 0 if nothing is queued here."""
        return self.queued()

    cdef int pause(self) except -1:
        raise NotImplementedError

    cdef int resume(self) except -1:
        raise NotImplementedError

    cdef int send_eof(self) except -1:
        raise NotImplementedError

    cdef int release(self) except -1:
        """Both halves are over: close, then say that it is lost."""
        raise NotImplementedError

    cdef int drop(self) except -1:
        """Close whatever is queued, then say that it is lost."""
        raise NotImplementedError

    cdef int check(self, bint eof) except -1:
        """What no event tells: called with the clock."""
        return 0

    # a tunnel that moves

    cdef bint movable(self) noexcept:
        """Can another process go on with this connection?"""
        return False

    cdef int rest(self) except -1:
        """Ask for nothing more, and say `tunnel.look()` when the last answer is there."""
        raise NotImplementedError

    cdef bint at_rest(self) noexcept:
        """Is nothing under way?"""
        raise NotImplementedError

    cdef int go_on(self) except -1:
        """Send what is queued; to read, `resume` is called."""
        raise NotImplementedError

    cdef bytes backlog(self):
        """What is queued, at rest."""
        raise NotImplementedError

    cdef int leave(self) except -1:
        """Close the descriptor, of which another process has a duplicate, and say nothing."""
        raise NotImplementedError
