"""See _board.pxd, the table of contents."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset

from time import monotonic_ns


cdef extern from "<sys/mman.h>" nogil:
    enum:
        MAP_ANONYMOUS
        MAP_NORESERVE
        MAP_SHARED
        PROT_READ
        PROT_WRITE
    void* MAP_FAILED
    void* mmap(void* start, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* start, size_t size)

cdef extern from * nogil:
    """
    #define fastws_get(place) __atomic_load_n((place), __ATOMIC_SEQ_CST)
    #define fastws_set(place, value) __atomic_store_n((place), (value), __ATOMIC_SEQ_CST)
    #define fastws_add(place, value) __atomic_add_fetch((place), (value), __ATOMIC_SEQ_CST)
    """
    int64_t get "fastws_get"(int64_t* place)
    int32_t get32 "fastws_get"(int32_t* place)
    void put "fastws_set"(int64_t* place, int64_t value)
    void put32 "fastws_set"(int32_t* place, int32_t value)
    void put_unsigned "fastws_set"(uint64_t* place, uint64_t value)
    int64_t add "fastws_add"(int64_t* place, int64_t value)
    int32_t add32 "fastws_add"(int32_t* place, int32_t value)
    uint64_t add_unsigned "fastws_add"(uint64_t* place, uint64_t value)


# Two workers that want the last place at a peer may each see the other's claim, and both step back.
cdef int CLAIMS = 8


cdef inline size_t rounded(size_t size) noexcept nogil:
    return (size + LINE - 1) // LINE * LINE


@cython.final
cdef class Board:
    """Room for so many workers, peers, and open tunnels of each worker. Raises MemoryError.

    What is never used takes no memory.
    """

    def __init__(self, int workers, int peers, int tunnels):
        self.workers = workers
        self.peers = peers
        self.tunnels = tunnels
        self._row_size = rounded(rounded(sizeof(Health)) + workers * sizeof(int32_t))
        self._block_size = rounded(sizeof(Block) + tunnels * sizeof(Entry))
        self._size = LINE + peers * self._row_size + (workers + 1) * self._block_size
        self._memory = <char*> mmap(NULL, self._size, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if self._memory == <char*> MAP_FAILED:
            self._memory = NULL
            raise MemoryError

    def __dealloc__(self):
        if self._memory is not NULL:
            munmap(self._memory, self._size)

    def next_number(self):
        """A number for a tunnel, which no other has."""
        return add_unsigned(<uint64_t*> self._memory, 1)

    def skip_numbers(self, uint64_t count):
        """Give none of the next `count` numbers."""
        add_unsigned(<uint64_t*> self._memory, count)

    def peer(self, int number, *, int worker=0):
        """The state of the peer of that number, for the use of a worker."""
        if not 0 <= number < self.peers or not 0 <= worker < self.workers:
            raise IndexError
        return PeerState.__new__(PeerState, self, number, worker)

    def worker(self, int number):
        """The counts of a worker."""
        if not 0 <= number < self.workers:
            raise IndexError
        return WorkerCounts.__new__(WorkerCounts, self, number)

    def totals(self):
        """What all workers counted, those that are gone included."""
        cdef dict sums = {}
        cdef int worker
        for worker in range(self.workers + 1):
            for name, value in numbers(self._block(worker)).items():
                if not isinstance(value, dict):
                    sums[name] = sums.get(name, 0) + value
                    continue
                inner = sums.setdefault(name, {})
                for key, count in value.items():
                    inner[key] = inner.get(key, 0) + count
        return sums

    def connections(self):
        """The downstream connections that are open in all workers."""
        cdef int64_t total = 0
        cdef int worker
        for worker in range(self.workers):
            total += get(&self._block(worker).connections)
        return total

    def bury(self, int worker, *, int ending):
        """Count out what a worker that is gone left open, and keep what it had counted.

        Returns its open tunnels: number, seconds since they opened, peer, client. They count as
        ended by `ending`.
        """
        cdef Block* block = self._block(worker)
        cdef Block* departed = self._block(self.workers)
        cdef Entry* entries = self._entries(worker)
        cdef list lost = []
        cdef int i
        cdef int64_t now = monotonic_ns()
        for i in range(<int> block.top):
            if entries[i].number:
                lost.append((entries[i].number, (now - entries[i].since) / 1e9, entries[i].peer,
                             entries[i].client.decode("utf-8", "replace")))
        for i in range(self._rows):
            put32(self._connections(i) + worker, 0)
        departed.accepted += block.accepted
        departed.tls_failed += block.tls_failed
        departed.requests += block.requests
        departed.opened += block.opened
        for i in range(4):
            departed.traffic[i] += block.traffic[i]
        for i in range(STATUSES):
            departed.answers[i] += block.answers[i]
        for i in range(ENDINGS):
            departed.ended[i] += block.ended[i]
        departed.ended[ending] += block.tunnels
        memset(entries, 0, block.top * sizeof(Entry))
        memset(block, 0, sizeof(Block))
        return lost

    cdef Health* _health(self, int peer) noexcept:
        return <Health*> (self._memory + LINE + peer * self._row_size)

    cdef int32_t* _connections(self, int peer) noexcept:
        return <int32_t*> (<char*> self._health(peer) + rounded(sizeof(Health)))

    cdef Block* _block(self, int worker) noexcept:
        return <Block*> (self._memory + LINE + self.peers * self._row_size
                         + worker * self._block_size)

    cdef Entry* _entries(self, int worker) noexcept:
        return <Entry*> (self._block(worker) + 1)


@cython.final
cdef class PeerState:
    """The numbers that balancing and health of one peer go by.

    Those of health are written by `fastws.upstream.passive` alone, those of round robin by
    `fastws.upstream.balancers.round_robin`. `connections` are those that are under way or open, in
    all workers.
    """

    def __cinit__(self, Board board not None, int number, int worker):
        self._board = board
        self.number = number
        self._worker = worker
        self._health = board._health(number)
        self._counts = board._connections(number)
        board._rows = max(board._rows, number + 1)

    def acquire(self, int limit=0):
        """Count a connection in, unless there are `limit` already (0: no limit); whether it was."""
        for _ in range(CLAIMS):
            if limit and self._sum() >= limit:
                return False
            add32(&self._counts[self._worker], 1)
            if not limit or self._sum() <= limit:
                add(&self._health.served, 1)
                return True
            add32(&self._counts[self._worker], -1)
        return False

    def hold(self):
        """Count in a connection that another worker counts out."""
        add32(&self._counts[self._worker], 1)

    def release(self):
        """Count it out."""
        add32(&self._counts[self._worker], -1)

    def count_failure(self):
        """Count one more."""
        add(&self._health.failures, 1)

    def reset(self, int gain):
        """Forget all but the connections."""
        cdef int64_t served = self._health.served
        memset(self._health, 0, sizeof(Health))
        self._health.served = served
        self._health.gain = gain

    @property
    def connections(self):
        return self._sum()

    @property
    def served(self):
        return get(&self._health.served)

    @property
    def failures(self):
        return get(&self._health.failures)

    @failures.setter
    def failures(self, int64_t value):
        put(&self._health.failures, value)

    @property
    def failed_at(self):
        return get(&self._health.failed_at)

    @failed_at.setter
    def failed_at(self, int64_t value):
        put(&self._health.failed_at, value)

    @property
    def checked_at(self):
        return get(&self._health.checked_at)

    @checked_at.setter
    def checked_at(self, int64_t value):
        put(&self._health.checked_at, value)

    @property
    def gain(self):
        return get(&self._health.gain)

    @gain.setter
    def gain(self, int64_t value):
        put(&self._health.gain, value)

    @property
    def credit(self):
        return get(&self._health.credit)

    @credit.setter
    def credit(self, int64_t value):
        put(&self._health.credit, value)

    @property
    def drained(self):
        return get(&self._health.drained) != 0

    @drained.setter
    def drained(self, bint value):
        put(&self._health.drained, value)

    cdef int64_t _sum(self) noexcept:
        cdef int64_t total = 0
        cdef int i
        for i in range(self._board.workers):
            total += get32(&self._counts[i])
        return total


@cython.final
cdef class WorkerCounts:
    """What one worker counts; written by that worker alone."""

    def __cinit__(self, Board board not None, int number):
        self.board = board
        self.number = number
        self._block = board._block(number)
        self._entries = board._entries(number)
        self._free = []

    def beat(self):
        """Say that the loop still turns."""
        add(&self._block.beats, 1)

    def connection_opened(self):
        """Count a downstream connection in."""
        add(&self._block.connections, 1)
        add_unsigned(&self._block.accepted, 1)

    def connection_arrived(self):
        """Count in one that another worker counts out."""
        add(&self._block.connections, 1)

    def connection_closed(self):
        """Count it out."""
        add(&self._block.connections, -1)

    def tls_failed(self):
        """Count one on which TLS was not agreed on."""
        add_unsigned(&self._block.tls_failed, 1)

    def wait(self, int64_t count):
        """Say how many of them have no request."""
        put(&self._block.waiting, count)

    def head_began(self):
        """Count one of which part of a request's head has come."""
        add(&self._block.reading, 1)

    def head_ended(self):
        """Count it out."""
        add(&self._block.reading, -1)

    def request_began(self):
        """Count a request, whatever comes of it."""
        add_unsigned(&self._block.requests, 1)

    def answered(self, int status):
        """Count a request that was answered, and became no tunnel."""
        if 0 <= status < STATUSES:
            add_unsigned(&self._block.answers[status], 1)

    def tunnel_opened(self, uint64_t number, int peer, str client not None):
        """Count a tunnel in; returns what it is to be counted out by."""
        add_unsigned(&self._block.opened, 1)
        return self._enter(number, peer, client, 0)

    def tunnel_arrived(self, uint64_t number, int peer, str client not None, double age,
                       uint64_t bytes_in, uint64_t bytes_out, uint64_t messages_in,
                       uint64_t messages_out):
        """Count in one that another worker counts out, which opened so many seconds ago. What went
        through it there is counted there."""
        self._past[0] -= bytes_in
        self._past[1] -= bytes_out
        self._past[2] -= messages_in
        self._past[3] -= messages_out
        return self._enter(number, peer, client, age)

    def tunnel_left(self, int place, uint64_t bytes_in, uint64_t bytes_out, uint64_t messages_in,
                    uint64_t messages_out):
        """Count it out, with what went through it: another worker counts it in."""
        add(&self._block.tunnels, -1)
        self._leave(place, bytes_in, bytes_out, messages_in, messages_out)

    cdef int _enter(self, uint64_t number, int peer, str client, double age) except -2:
        cdef bytes text = client.encode()[:CLIENT_SIZE - 1]
        cdef Entry* entry
        cdef int place = -1
        add(&self._block.tunnels, 1)
        if self._free:
            place = self._free.pop()
        elif self._block.top < self.board.tunnels:
            place = <int> self._block.top
            put(&self._block.top, place + 1)
        if place != -1:
            entry = &self._entries[place]
            entry.since = monotonic_ns() - <int64_t> (age * 1e9)
            entry.peer = peer
            memcpy(entry.client, <const char*> text, len(text) + 1)
            put_unsigned(&entry.number, number)
        return place

    def tunnel_ended(self, int place, int ending, uint64_t bytes_in, uint64_t bytes_out,
                     uint64_t messages_in, uint64_t messages_out):
        """Count it out, with what went through it."""
        add(&self._block.tunnels, -1)
        add_unsigned(&self._block.ended[ending], 1)
        self._leave(place, bytes_in, bytes_out, messages_in, messages_out)

    cdef int _leave(self, int place, uint64_t bytes_in, uint64_t bytes_out, uint64_t messages_in,
                    uint64_t messages_out) except -1:
        self._past[0] += bytes_in
        self._past[1] += bytes_out
        self._past[2] += messages_in
        self._past[3] += messages_out
        if place != -1:
            put_unsigned(&self._entries[place].number, 0)
            self._free.append(place)
        return 0

    def publish(self, uint64_t bytes_in, uint64_t bytes_out, uint64_t messages_in,
                uint64_t messages_out):
        """Let others see the traffic: that of the open tunnels is given."""
        cdef uint64_t[4] now
        cdef int i
        now[0], now[1], now[2], now[3] = bytes_in, bytes_out, messages_in, messages_out
        for i in range(4):
            put_unsigned(&self._block.traffic[i], self._past[i] + now[i])

    def peer(self, int number):
        """The state of the peer of that number, for the use of this worker."""
        return self.board.peer(number, worker=self.number)

    @property
    def beats(self):
        return get(&self._block.beats)

    @property
    def connections(self):
        return get(&self._block.connections)

    @property
    def tunnels(self):
        return get(&self._block.tunnels)

    @property
    def movable(self):
        return get(&self._block.movable)

    @movable.setter
    def movable(self, int64_t count):
        put(&self._block.movable, count)

    def numbers(self):
        """All of it, by name; statuses and endings that occurred by their numbers."""
        return numbers(self._block)


cdef dict numbers(Block* block):
    cdef int i
    return {
        "connections": block.connections,
        "waiting": block.waiting,
        "reading": block.reading,
        "tunnels": block.tunnels,
        "accepted": block.accepted,
        "tls_failed": block.tls_failed,
        "requests": block.requests,
        "opened": block.opened,
        "bytes_in": block.traffic[0],
        "bytes_out": block.traffic[1],
        "messages_in": block.traffic[2],
        "messages_out": block.traffic[3],
        "answers": {i: block.answers[i] for i in range(STATUSES) if block.answers[i]},
        "ended": {i: block.ended[i] for i in range(ENDINGS) if block.ended[i]},
    }
