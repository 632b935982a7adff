"""RFC 6455 section 5.3: masking, on pointers, eight bytes at a time."""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy


cdef inline void xor_mask(uint8_t* out, const uint8_t* data, size_t size,
                          const uint8_t* key, uint64_t position) noexcept nogil:
    """Write `data` XOR `key` to `out` (which may be `data`), the first byte being payload byte
    `position` of its frame."""
    cdef uint8_t turned[8]
    cdef uint64_t key_word = 0
    cdef uint64_t word = 0
    cdef size_t i
    for i in range(8):
        turned[i] = key[(position + i) & 3]
    memcpy(&key_word, turned, 8)
    i = 0
    while i + 8 <= size:
        memcpy(&word, data + i, 8)
        word ^= key_word
        memcpy(out + i, &word, 8)
        i += 8
    while i < size:
        out[i] = data[i] ^ turned[i & 7]
        i += 1
