"""What the processes of one proxy count together: one mapping, shared and never grown.

The supervisor makes a `Board` before it forks, and every process has the same memory. A number that
belongs to a worker is written by that worker alone, in a place of its own, and summed by who reads
it: so a worker that is killed leaves nothing behind that `Board.bury` does not find. Everything
else is one word, and read and written as such.

    next tunnel's number | peers: a row each | workers: a block each, then the departed's
"""

from libc.stdint cimport int32_t, int64_t, uint64_t


cdef enum:
    STATUSES = 600
    ENDINGS = 16
    CLIENT_SIZE = 52   # "[" IPv6 with a short scope "]:65535"; a longer one is cut
    LINE = 64          # of the cache: rows and blocks begin on one


cdef struct Health:
    # Times are of the monotonic clock, in nanoseconds.
    int64_t failures, failed_at, checked_at
    # Smooth weighted round robin: what a peer gains in a round, and what it has.
    int64_t gain, credit
    int64_t drained
    int64_t served         # connections so far


cdef struct Entry:
    # an open tunnel, for who has to say that it is lost
    uint64_t number        # 0: none
    int64_t since          # monotonic, in nanoseconds
    int32_t peer
    char client[CLIENT_SIZE]


cdef struct Block:
    int64_t beats          # each says that the loop still turns
    int64_t connections    # downstream, that are open
    int64_t waiting        # of them, without a request
    int64_t reading        # of them, with part of a request's head
    int64_t tunnels        # that are open
    int64_t movable        # of them, that could go to another worker
    int64_t top            # so many entries were ever used
    uint64_t accepted
    uint64_t tls_failed    # of them, on which TLS was not agreed on
    uint64_t requests      # that have begun
    uint64_t opened
    uint64_t traffic[4]    # bytes from and to clients, messages from and to clients
    uint64_t answers[STATUSES]
    uint64_t ended[ENDINGS]


cdef class Board:
    cdef char* _memory
    cdef size_t _size
    cdef size_t _row_size, _block_size
    cdef readonly int workers
    cdef readonly int peers
    cdef readonly int tunnels      # that one worker can have in its list
    cdef int _rows                 # that were ever asked for in this process

    cdef Health* _health(self, int peer) noexcept
    cdef int32_t* _connections(self, int peer) noexcept
    cdef Block* _block(self, int worker) noexcept
    cdef Entry* _entries(self, int worker) noexcept


cdef class PeerState:
    cdef Board _board
    cdef Health* _health
    cdef int32_t* _counts          # of connections, by worker
    cdef readonly int number
    cdef int _worker

    cdef int64_t _sum(self) noexcept


cdef class WorkerCounts:
    cdef readonly Board board
    cdef readonly int number
    cdef Block* _block
    cdef Entry* _entries
    cdef list _free                # places of entries that were used
    # The traffic of tunnels that are over, or elsewhere, less what those that came had had.
    cdef uint64_t _past[4]

    cdef int _enter(self, uint64_t number, int peer, str client, double age) except -2
    cdef int _leave(self, int place, uint64_t bytes_in, uint64_t bytes_out, uint64_t messages_in,
                    uint64_t messages_out) except -1
