"""The driver without sockets: tests, fuzzers and benchmarks play both of them."""

from libc.stdint cimport uint8_t

from fastws._pipe cimport Rules
from fastws._relay cimport Side, Tunnel

cdef tuple NAMES = ("downstream", "upstream")


cdef class MemoryTunnel(Tunnel):
    """A tunnel whose connections are byte strings.

    `log` tells what the tunnel asked for, in order: ("pause", "upstream"), ("wake", 0.5) and
    the like. A side
    named in `blocked` takes nothing: what is sent to it is queued. A side is `awaited` while its
    last bytes wait for its end of file, and one of `merged` when both went together.
    """

    cdef list _sent
    cdef list _queues
    cdef public set blocked
    cdef readonly set awaited
    cdef readonly set merged
    cdef readonly list log
    cdef readonly bint over

    def __init__(self, Rules rules not None, *, uint8_t rsv_first=0, uint8_t rsv_rest=0):
        super().__init__(rules, rsv_first=rsv_first, rsv_rest=rsv_rest)
        self._sent = [bytearray(), bytearray()]
        self._queues = [bytearray(), bytearray()]
        self.blocked = set()
        self.awaited = set()
        self.merged = set()
        self.log = []

    # what the sockets say

    def receive(self, str side, const uint8_t[::1] data not None):
        """`side` sent `data`."""
        if data.shape[0]:
            self.received(NAMES.index(side), &data[0], data.shape[0])

    def splice(self, str side, const uint8_t[::1] data not None):
        """`side` sent `data`, and the driver passes on what nobody has to see; returns how much of
        it that was."""
        cdef Side index = NAMES.index(side)
        cdef size_t size = min(<size_t> data.shape[0], self.unseen(index))
        if size:
            self._send(self._other(index), &data[0], size)
            self.passed(index, size)
        return size

    def receive_eof(self, str side):
        """`side` shut down its writing half."""
        self.eof(NAMES.index(side))

    def lose(self, str side):
        """The connection to `side` broke."""
        cdef Side index = NAMES.index(side)
        self._queues[index].clear()
        self.awaited.discard(side)
        self.lost(index)

    def unblock(self, str side):
        """`side` takes what is queued for it."""
        cdef Side index = NAMES.index(side)
        self.blocked.discard(side)
        self._put(index, self._queues[index])
        self._queues[index] = bytearray()
        self.drained(index)

    def clock(self, double now):
        """The time is `now`, in seconds."""
        self.tick(now)

    def moved(self, double now):
        """The same tunnel, as it goes on in another process."""
        cdef MemoryTunnel other = MemoryTunnel.__new__(MemoryTunnel)
        other.restore(self.state(now), now)
        other._sent = self._sent
        other._queues = self._queues
        other.blocked = self.blocked
        other.awaited = self.awaited
        other.merged = self.merged
        other.log = self.log
        return other

    # what went out

    def take(self, str side):
        """What was sent to `side` since the last call."""
        cdef Side index = NAMES.index(side)
        cdef bytes sent = bytes(self._sent[index])
        self._sent[index].clear()
        return sent

    # hooks

    cdef size_t _send(self, Side side, const uint8_t* data, size_t size) except? -1:
        if NAMES[side] in self.blocked:
            self._queues[side] += data[:size]
        else:
            self._put(side, data[:size])
        return self._queued(side)

    cdef int _put(self, Side side, data) except -1:
        self._sent[side] += data
        if data and self.is_last(side):
            self.awaited.add(NAMES[side])
        return 0

    cdef size_t _queued(self, Side side) except? -1:
        return len(self._queues[side])

    cdef int _wake_in(self, double seconds) except -1:
        self.log.append(("wake", seconds))
        return 0

    cdef int _pause(self, Side side) except -1:
        self.log.append(("pause", NAMES[side]))
        return 0

    cdef int _resume(self, Side side) except -1:
        self.log.append(("resume", NAMES[side]))
        return 0

    cdef int _send_eof(self, Side side) except -1:
        self.log.append(("eof", NAMES[side]))
        if NAMES[side] in self.awaited:
            self.awaited.remove(NAMES[side])
            self.merged.add(NAMES[side])
        return 0

    cdef int _release(self, Side side) except -1:
        self.log.append(("release", NAMES[side]))
        return 0

    cdef int _abort(self, Side side) except -1:
        self.log.append(("abort", NAMES[side]))
        self._queues[side].clear()
        self.awaited.discard(NAMES[side])
        return 0

    cdef int _over(self) except -1:
        self.over = True
        return 0
