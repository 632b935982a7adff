"""Bytes that a socket did not take yet. There is memory only while there are bytes."""

from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove


cdef struct Queue:
    uint8_t* memory
    size_t start, end, capacity


cdef inline size_t queue_size(const Queue* queue) noexcept nogil:
    return queue.end - queue.start


cdef inline bint queue_append(Queue* queue, const uint8_t* data, size_t size) noexcept nogil:
    """False if there is no memory for it."""
    cdef size_t used = queue.end - queue.start
    cdef uint8_t* grown
    if queue.start:
        memmove(queue.memory, queue.memory + queue.start, used)
        queue.start = 0
        queue.end = used
    if queue.capacity < used + size:
        grown = <uint8_t*> realloc(queue.memory, used + size)
        if grown is NULL:
            return False
        queue.memory = grown
        queue.capacity = used + size
    memcpy(queue.memory + used, data, size)
    queue.end = used + size
    return True


cdef inline void queue_clear(Queue* queue) noexcept nogil:
    free(queue.memory)
    queue.memory = NULL
    queue.start = queue.end = queue.capacity = 0
