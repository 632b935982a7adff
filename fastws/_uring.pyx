"""See _uring.pxd, the table of contents."""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EAGAIN, EBUSY, EINTR, ENOBUFS, ENOMEM
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free

from fastws._driver cimport BUFFER_SIZE, Driver
from fastws._io_uring cimport (
    CQE_BUFFER_SHIFT,
    CQE_MORE,
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    OP_ASYNC_CANCEL,
    OP_POLL_ADD,
    OP_RECV,
    OP_SEND,
    RECV_MULTISHOT,
    REGISTER_PBUF_RING,
    SETUP_COOP_TASKRUN,
    SETUP_SINGLE_ISSUER,
    SETUP_SUBMIT_ALL,
    SQE_BUFFER_SELECT,
    Buffer,
    BufferRing,
    Cqe,
    Sqe,
    load,
    map_memory,
    munmap,
    ring_enter,
    ring_next,
    ring_open,
    ring_register,
    store,
    store16,
)
from fastws._net cimport (
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    POLLIN,
    POLLOUT,
    SHUT_RDWR,
    c_close,
    c_shutdown,
)
from fastws._queue cimport Queue, queue_clear, queue_size
from fastws._sockets cimport SocketLeg, Sockets, failure


cdef extern from "<errno.h>" nogil:
    enum:
        ECANCELED

cdef enum:
    SUBMISSIONS = 1024
    COMPLETIONS = 8 * 1024
    ROUNDS = 16        # of completions and submissions, before others of the loop get their turn
    READS = 128        # of bulk, likewise: a round may be short, or as long as there are legs
    PATIENCE = 8       # small reads in a row after which bulk is over


@cython.final
cdef class Uring(Sockets):
    """Sockets over io_uring(7). Raises OSError where the kernel has none, or forbids it."""

    name = "uring"

    def __cinit__(self):
        self.ring.fd = -1
        self._current = -1

    def __init__(self, Driver driver not None):
        super().__init__(driver)
        self._dirty = []
        self._check(ring_open(&self.ring, SUBMISSIONS, COMPLETIONS,
                              SETUP_SUBMIT_ALL | SETUP_SINGLE_ISSUER | SETUP_COOP_TASKRUN))
        self._make_buffers()
        driver.loop.add_reader(self.ring.fd, self.turn)

    def __dealloc__(self):
        if self.ring.fd >= 0:
            c_close(self.ring.fd)
        if self.ring.queues is not NULL:
            munmap(self.ring.queues, self.ring.queues_size)
        if self.ring.sqes is not NULL:
            munmap(self.ring.sqes, self.ring.sqes_size)
        if self._entries is not NULL:
            munmap(self._entries, BUFFERS * sizeof(Buffer))
        if self._memory is not NULL:
            munmap(self._memory, BUFFERS * SMALL)

    def _check(self, int outcome):
        if outcome < 0:
            raise failure(-outcome)

    def _make_buffers(self):
        cdef BufferRing registration
        cdef int buffer
        self._entries = <Buffer*> map_memory(
            BUFFERS * sizeof(Buffer), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        self._memory = <uint8_t*> map_memory(BUFFERS * SMALL, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if self._entries is NULL or self._memory is NULL:
            raise MemoryError
        registration = BufferRing(ring_addr=<uintptr_t> self._entries, ring_entries=BUFFERS, bgid=0)
        self._check(ring_register(&self.ring, REGISTER_PBUF_RING, &registration, 1))
        for buffer in range(BUFFERS):
            self._holders[buffer] = 1
            self._release_buffer(buffer)

    # hooks

    cdef SocketLeg _leg(self):
        return RingLeg.__new__(RingLeg)

    cdef int _turn(self) except -1:
        cdef int i
        cdef bint taken = True
        self._reads = 0
        for i in range(ROUNDS):
            self._bury()
            self._send_dirty()
            # Only the kernel can say more than stands in the queue.
            if (self.ring.sq_next != self.ring.sq_submitted
                    or (i == 0 and load(self.ring.cq_tail) == load(self.ring.cq_head))):
                taken = self._enter()
            elif i:
                return 0
            self._reap()
            if self._reads >= READS or not taken:
                break
        self._scheduled = True
        self.driver.loop.call_soon(self.turn)
        return 0

    # submissions

    cdef Sqe* _next(self, uint8_t opcode) except NULL:
        cdef Sqe* sqe = ring_next(&self.ring)
        if sqe is NULL:
            self._enter()
            sqe = ring_next(&self.ring)
            if sqe is NULL:
                raise failure(EAGAIN)
        sqe.opcode = opcode
        self.wake()
        return sqe

    cdef Sqe* _prepare(self, RingLeg leg, int op, uint8_t opcode) except NULL:
        """A request for `leg`, which lives until it is done."""
        cdef Sqe* sqe = self._next(opcode)
        sqe.fd = leg.fd
        sqe.user_data = <uintptr_t> <void*> leg | op
        leg._pending |= 1 << op
        self.in_flight += 1
        Py_INCREF(leg)
        return sqe

    cdef int _cancel(self, RingLeg leg, int op) except -1:
        """Ask for the end of a request. The answer is the request's own."""
        self._next(OP_ASYNC_CANCEL).addr = <uintptr_t> <void*> leg | op
        return 0

    cdef int _send_dirty(self) except -1:
        """Send for the legs that have something; those that no request can be made for now are
        tried again in the next round."""
        cdef RingLeg leg
        cdef Sqe* sqe
        cdef Py_ssize_t done = 0
        if not self._dirty:
            return 0
        try:
            for leg in self._dirty:
                if leg._may_send():
                    sqe = self._prepare(leg, SEND, OP_SEND)
                    leg._take_off()
                    sqe.addr = <uintptr_t> leg._flight.data
                    sqe.len = <uint32_t> leg._flight.size
                    sqe.op_flags = MSG_DONTWAIT | MSG_NOSIGNAL | leg._more()
                leg._dirty = False
                done += 1
        except BlockingIOError:
            pass               # the kernel takes no more requests now
        finally:
            self._dirty = self._dirty[done:]
        return 0

    cdef bint _enter(self) except -1:
        """Submit what was prepared; False if the kernel cannot take it now."""
        cdef int outcome = ring_enter(&self.ring)
        if outcome in (-EAGAIN, -EBUSY, -ENOMEM):
            return False
        if outcome < 0:
            raise failure(-outcome)
        return True

    # completions

    cdef int _reap(self) except -1:
        """Tell the legs what is complete."""
        cdef uint32_t head = load(self.ring.cq_head)
        cdef uint32_t tail = load(self.ring.cq_tail)
        cdef Cqe cqe
        cdef RingLeg leg
        while head != tail:
            cqe = self.ring.cqes[head & self.ring.cq_mask]
            head += 1
            store(self.ring.cq_head, head)
            if cqe.user_data == 0:
                continue       # a cancellation
            leg = <RingLeg> <void*> <uintptr_t> (cqe.user_data & ~<uint64_t> 7)
            try:
                self._complete(leg, <int> (cqe.user_data & 7), cqe.res, cqe.flags)
            except Exception as error:
                self._fault(leg, error)
        return 0

    cdef int _complete(self, RingLeg leg, int op, int32_t res, uint32_t flags) except -1:
        if not flags & CQE_MORE:
            leg._pending &= ~(1 << op)
            self.in_flight -= 1
            Py_DECREF(leg)     # the caller has another reference
        if op == RECV:
            leg.received(res, flags)
        elif op == SEND:
            leg.sent(res)
        elif leg.closed:
            pass
        elif res == -ECANCELED:
            leg._ask()
        elif res < 0:
            leg.failed(-res)
        elif op == READABLE:
            self._reads += 1
            leg.readable()
            if leg.wanted:
                leg._watch()
        elif op == WRITABLE:
            leg.writable()
        if leg.closed:
            leg._over()
        elif leg.resting:
            leg.tunnel.look()
        return 0

    # buffers

    cdef void _release_buffer(self, int buffer) noexcept:
        """Give it back to the kernel, unless somebody else holds it."""
        cdef Buffer* entry
        self._holders[buffer] -= 1
        if self._holders[buffer]:
            return
        entry = &self._entries[self._tail & (BUFFERS - 1)]
        entry.addr = <uintptr_t> (self._memory + buffer * SMALL)
        entry.len = SMALL
        entry.bid = <uint16_t> buffer
        self._tail += 1
        store16(&self._entries[0].tail, self._tail)

    cdef int _buffer_of(self, const uint8_t* data) noexcept:
        """The buffer that `data` lies in, if it is the one that is being delivered; or -1."""
        cdef const uint8_t* memory = self._memory + self._current * SMALL
        if self._current == -1 or data < memory or data >= memory + SMALL:
            return -1
        return self._current


@cython.final
@cython.no_gc
cdef class RingLeg(SocketLeg):

    def __dealloc__(self):
        free(self._flight.memory)

    cdef size_t send(self, const uint8_t* data, size_t size) except? -1:
        cdef Uring ring = <Uring> self.sockets
        cdef int buffer
        if self.broken or size == 0:
            return self.queued()
        if (self.queued() == 0
                and ring.driver.data <= data < ring.driver.data + BUFFER_SIZE):
            return SocketLeg.send(self, data, size)
        buffer = ring._buffer_of(data)
        if (self._span.size and buffer == self._span.buffer
                and data == self._span.data + self._span.size):
            self._span.size += size
        elif buffer >= 0 and self.queued() == 0:
            self._span = Span(data=data, size=size, buffer=buffer, memory=NULL)
            ring._holders[buffer] += 1
        else:
            self._spill()
            self._enqueue(data, size)
        self._soil()
        return self.queued()

    cdef size_t queued(self) except? -1:
        return self._flight.size + self._span.size + queue_size(&self._queue)

    # completions

    cdef int received(self, int32_t res, uint32_t flags) except -1:
        """The multishot request says something."""
        cdef Uring ring = <Uring> self.sockets
        cdef int buffer
        if res > 0:
            buffer = <int> (flags >> CQE_BUFFER_SHIFT)
            ring._holders[buffer] = 1
            ring._current = buffer
            try:
                if not self.closed:
                    self._fill(res)
                    self.deliver(ring._memory + buffer * SMALL, res)
            finally:
                ring._current = -1
                ring._release_buffer(buffer)
        elif self.closed:
            return 0
        elif res == 0:
            return self.ended()
        elif res != -ENOBUFS and res != -ECANCELED and res != -EINTR:
            return self.failed(-res)
        if self.wanted:
            self._watch()
        return 0

    cdef int sent(self, int32_t res) except -1:
        """What was on its way has arrived, or not all of it."""
        cdef Span flight = self._flight
        cdef size_t done = <size_t> res if res > 0 else 0
        self._flight = Span(data=NULL, size=0, buffer=-1, memory=NULL)
        if res < 0 and res != -EAGAIN and res != -EINTR:
            # What the peer sent before it went is still to be read: that side tells the end.
            self.broken = True
            self._forget()
        if not self.broken and done < flight.size:
            self._put_back(flight.data + done, flight.size - done)
        if flight.memory is NULL:
            (<Uring> self.sockets)._release_buffer(flight.buffer)
        free(flight.memory)
        if self.closed:
            return 0
        if self.queued() == 0:
            return self.drained()
        return self._await_room() if done < flight.size else self._soil()

    cdef int deliver(self, const uint8_t* data, size_t size) except -1:
        if self._bulk:
            self._bulk = self._bulk - 1 if size < SMALL else PATIENCE
        return SocketLeg.deliver(self, data, size)

    # private

    cdef int _fill(self, size_t size) except -1:
        """Bulk fills its buffers."""
        if size == SMALL and not self._bulk and self.reader is not None:
            self._bulk = PATIENCE
            self._unwatch()
        return 0

    cdef bint _may_send(self) noexcept:
        """Is there something to send, and nothing to wait for before?"""
        if self._flight.size or self.broken or self._pending & (1 << WRITABLE):
            return False
        return self._span.size != 0 or queue_size(&self._queue) != 0

    cdef void _take_off(self) noexcept:
        """Make what is to be sent next the flight."""
        if self._span.size:
            self._flight = self._span
            self._span.size = 0
        else:
            self._flight = Span(data=self._queue.memory + self._queue.start,
                                size=queue_size(&self._queue), buffer=-1,
                                memory=self._queue.memory)
            self._queue = Queue(memory=NULL, start=0, end=0, capacity=0)

    cdef int _put_back(self, const uint8_t* data, size_t size) except -1:
        """Queue before everything else what was not taken."""
        cdef Queue behind
        self._spill()
        behind = self._queue
        self._queue = Queue(memory=NULL, start=0, end=0, capacity=0)
        self._enqueue(data, size)
        if queue_size(&behind):
            self._enqueue(behind.memory + behind.start, queue_size(&behind))
        queue_clear(&behind)
        return 0

    cdef int _spill(self) except -1:
        """Copy the span to the queue: what comes next does not lie behind it."""
        cdef Span span = self._span
        if span.size:
            self._span.size = 0
            self._enqueue(span.data, span.size)
            (<Uring> self.sockets)._release_buffer(span.buffer)
        return 0

    cdef int _soil(self) except -1:
        if not self._dirty:
            self._dirty = True
            (<Uring> self.sockets)._dirty.append(self)
            self.sockets.wake()
        return 0

    cdef int _over(self) except -1:
        """Say so, once, when nothing is under way any more."""
        if self._pending == 0:
            self._pending = 1 << OVER
            self.sockets.end(self)
        return 0

    cdef int _forget(self) except -1:
        if self._span.size:
            self._span.size = 0
            (<Uring> self.sockets)._release_buffer(self._span.buffer)
        return SocketLeg._forget(self)

    cdef int _cancel_all(self) except -1:
        """Ask for the end of all that waits for the peer."""
        cdef int op
        for op in (RECV, READABLE, WRITABLE):
            if self._pending & (1 << op):
                (<Uring> self.sockets)._cancel(self, op)
        return 0

    cdef int _ask(self) except -1:
        """Ask for what is wanted: nothing could be asked for while requests were cancelled."""
        if self.wanted:
            self._watch()
        if queue_size(&self._queue) and self._flight.size == 0:
            self._await_room()
        return 0

    # a tunnel that moves

    cdef int rest(self) except -1:
        SocketLeg.rest(self)
        return self._cancel_all()

    cdef bint at_rest(self) noexcept:
        return self._pending == 0 and not (self._dirty and self._may_send())

    cdef int go_on(self) except -1:
        self.resting = False
        return 0 if self.closed else self._ask()

    # hooks

    cdef int _watch(self) except -1:
        cdef Sqe* sqe
        if self._pending & (1 << RECV | 1 << READABLE):
            return 0
        if self._bulk:
            sqe = (<Uring> self.sockets)._prepare(self, READABLE, OP_POLL_ADD)
            sqe.op_flags = POLLIN
        else:
            sqe = (<Uring> self.sockets)._prepare(self, RECV, OP_RECV)
            sqe.ioprio = RECV_MULTISHOT
            sqe.flags = SQE_BUFFER_SELECT
        return 0

    cdef int _unwatch(self) except -1:
        if self._pending & (1 << RECV):
            (<Uring> self.sockets)._cancel(self, RECV)
        return 0

    cdef int _await_room(self) except -1:
        cdef Sqe* sqe
        if not self.resting and not self._pending & (1 << WRITABLE):
            sqe = (<Uring> self.sockets)._prepare(self, WRITABLE, OP_POLL_ADD)
            sqe.op_flags = POLLOUT
        return 0

    cdef int _let_go(self) except -1:
        try:
            self._cancel_all()
        except OSError:
            # The end of the connection ends what waits for it, and needs no request.
            c_shutdown(self.fd, SHUT_RDWR)
        return self._over()
