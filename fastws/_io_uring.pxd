"""io_uring as the kernel has it (linux/io_uring.h): what of it we use, and the two queues.

Our own declarations, so that it is built with any headers. Leaf functions without objects; numbers
below 0 are negated error numbers.
"""

from libc.errno cimport EINTR, errno
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset


cdef extern from *:
    """
    #include <stdint.h>
    #include <sys/mman.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    struct fastws_sqe {
        uint8_t opcode, flags;
        uint16_t ioprio;
        int32_t fd;
        uint64_t off, addr;
        uint32_t len, op_flags;
        uint64_t user_data;
        uint16_t buf_group, personality;
        uint32_t file_index;
        uint64_t pad[2];
    };

    struct fastws_cqe {
        uint64_t user_data;
        int32_t res;
        uint32_t flags;
    };

    struct fastws_sq_offsets {
        uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
        uint64_t user_addr;
    };

    struct fastws_cq_offsets {
        uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
        uint64_t user_addr;
    };

    struct fastws_ring_params {
        uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd;
        uint32_t resv[3];
        struct fastws_sq_offsets sq_off;
        struct fastws_cq_offsets cq_off;
    };

    struct fastws_buffer {
        uint64_t addr;
        uint32_t len;
        uint16_t bid;
        uint16_t tail; /* of the ring, in its first entry only */
    };

    struct fastws_buffer_ring {
        uint64_t ring_addr;
        uint32_t ring_entries;
        uint16_t bgid, flags;
        uint64_t resv[3];
    };

    #ifndef __NR_io_uring_setup
    #define __NR_io_uring_setup 425
    #define __NR_io_uring_enter 426
    #define __NR_io_uring_register 427
    #endif

    #define fastws_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define fastws_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    """
    struct Sqe "fastws_sqe":
        uint8_t opcode, flags
        uint16_t ioprio
        int32_t fd
        uint64_t off, addr
        uint32_t len, op_flags
        uint64_t user_data
        uint16_t buf_group

    struct Cqe "fastws_cqe":
        uint64_t user_data
        int32_t res
        uint32_t flags

    struct SqOffsets "fastws_sq_offsets":
        uint32_t head, tail, ring_mask, ring_entries, flags, array

    struct CqOffsets "fastws_cq_offsets":
        uint32_t head, tail, ring_mask, ring_entries, cqes, flags

    struct Params "fastws_ring_params":
        uint32_t sq_entries, cq_entries, flags, features
        SqOffsets sq_off
        CqOffsets cq_off

    struct Buffer "fastws_buffer":
        uint64_t addr
        uint32_t len
        uint16_t bid
        uint16_t tail

    struct BufferRing "fastws_buffer_ring":
        uint64_t ring_addr
        uint32_t ring_entries
        uint16_t bgid

    uint32_t load "fastws_load"(uint32_t* where) nogil
    void store "fastws_store"(uint32_t* where, uint32_t value) nogil
    void store16 "fastws_store"(uint16_t* where, uint16_t value) nogil

    enum:
        SYS_SETUP "__NR_io_uring_setup"
        SYS_ENTER "__NR_io_uring_enter"
        SYS_REGISTER "__NR_io_uring_register"
        PROT_READ
        PROT_WRITE
        MAP_ANONYMOUS
        MAP_POPULATE
        MAP_PRIVATE
        MAP_SHARED
    long syscall(long number, ...) nogil
    void* mmap(void* where, size_t size, int protection, int flags, int fd, long offset) nogil
    int munmap(void* where, size_t size) nogil


cdef enum:
    # operations
    OP_POLL_ADD = 6
    OP_ASYNC_CANCEL = 14
    OP_SEND = 26
    OP_RECV = 27

    # of a submission
    SQE_BUFFER_SELECT = 1 << 5
    RECV_MULTISHOT = 1 << 1

    # of a completion
    CQE_MORE = 1 << 1
    CQE_BUFFER_SHIFT = 16

    # of the ring
    SETUP_CQSIZE = 1 << 3
    SETUP_CLAMP = 1 << 4
    SETUP_SUBMIT_ALL = 1 << 7
    SETUP_COOP_TASKRUN = 1 << 8
    SETUP_SINGLE_ISSUER = 1 << 12
    ENTER_GETEVENTS = 1 << 0
    REGISTER_PBUF_RING = 22

    OFFSET_SQ_RING = 0
    OFFSET_SQES = 0x10000000


cdef struct Ring:
    int fd
    # submissions
    uint32_t* sq_head
    uint32_t* sq_tail
    uint32_t sq_mask
    uint32_t sq_size
    uint32_t sq_next           # where the next entry goes: what is before it and not yet
    uint32_t sq_submitted      # submitted waits for `ring_enter`
    Sqe* sqes
    # completions
    uint32_t* cq_head
    uint32_t* cq_tail
    uint32_t cq_mask
    Cqe* cqes
    # what is mapped
    void* queues
    size_t queues_size
    size_t sqes_size


cdef inline void* map_memory(size_t size, int flags, int fd, long offset) noexcept nogil:
    """NULL if there is none."""
    cdef void* where = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, offset)
    return NULL if where == <void*> -1 else where


cdef inline int ring_open(Ring* ring, uint32_t size, uint32_t completions,
                          uint32_t flags) noexcept nogil:
    """Make the queues. 0, or why there are none."""
    cdef Params params
    cdef uint32_t i
    cdef uint32_t* array
    memset(ring, 0, sizeof(Ring))
    memset(&params, 0, sizeof(params))
    params.flags = flags | SETUP_CLAMP | SETUP_CQSIZE
    params.cq_entries = completions
    ring.fd = <int> syscall(SYS_SETUP, size, &params)
    if ring.fd < 0:
        return -errno
    ring.queues_size = max(params.sq_off.array + params.sq_entries * sizeof(uint32_t),
                           params.cq_off.cqes + params.cq_entries * sizeof(Cqe))
    ring.sqes_size = params.sq_entries * sizeof(Sqe)
    ring.queues = map_memory(ring.queues_size, MAP_SHARED | MAP_POPULATE, ring.fd, OFFSET_SQ_RING)
    ring.sqes = <Sqe*> map_memory(ring.sqes_size, MAP_SHARED | MAP_POPULATE, ring.fd, OFFSET_SQES)
    if ring.queues is NULL or ring.sqes is NULL:
        return -errno
    ring.sq_head = <uint32_t*> (<uint8_t*> ring.queues + params.sq_off.head)
    ring.sq_tail = <uint32_t*> (<uint8_t*> ring.queues + params.sq_off.tail)
    ring.sq_size = params.sq_entries
    ring.sq_mask = params.sq_entries - 1
    ring.cq_head = <uint32_t*> (<uint8_t*> ring.queues + params.cq_off.head)
    ring.cq_tail = <uint32_t*> (<uint8_t*> ring.queues + params.cq_off.tail)
    ring.cqes = <Cqe*> (<uint8_t*> ring.queues + params.cq_off.cqes)
    ring.cq_mask = params.cq_entries - 1
    array = <uint32_t*> (<uint8_t*> ring.queues + params.sq_off.array)
    for i in range(params.sq_entries):
        array[i] = i
    return 0


cdef inline int ring_register(Ring* ring, int what, void* argument, uint32_t count) noexcept nogil:
    return -errno if syscall(SYS_REGISTER, ring.fd, what, argument, count) < 0 else 0


cdef inline int ring_enter(Ring* ring) noexcept nogil:
    """Submit what was prepared, and let the kernel post what is done. 0, or why not."""
    cdef uint32_t count = ring.sq_next - ring.sq_submitted
    cdef long done
    store(ring.sq_tail, ring.sq_next)
    while True:
        done = syscall(SYS_ENTER, ring.fd, count, 0, ENTER_GETEVENTS, NULL, 0)
        if done >= 0:
            ring.sq_submitted += <uint32_t> done
            return 0
        if errno != EINTR:
            return -errno


cdef inline Sqe* ring_next(Ring* ring) noexcept nogil:
    """An empty entry for a submission; NULL while the queue is full."""
    cdef Sqe* sqe
    if ring.sq_next - load(ring.sq_head) >= ring.sq_size:
        return NULL
    sqe = &ring.sqes[ring.sq_next & ring.sq_mask]
    memset(sqe, 0, sizeof(Sqe))
    ring.sq_next += 1
    return sqe
