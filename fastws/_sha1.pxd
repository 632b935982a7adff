"""SHA-1 (FIPS 180-4) of 60 bytes, which is what a WebSocket handshake hashes: a key and a GUID.

OpenSSL's, by way of hashlib, looks up the algorithm and makes objects first; that takes longer.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset


cdef inline uint32_t rotated(uint32_t word, int bits) noexcept nogil:
    return word << bits | word >> (32 - bits)


cdef inline void sha1_turn(uint32_t* state, uint32_t mixed, uint32_t added) noexcept nogil:
    cdef uint32_t first = rotated(state[0], 5) + mixed + state[4] + added
    state[4] = state[3]
    state[3] = state[2]
    state[2] = rotated(state[1], 30)
    state[1] = state[0]
    state[0] = first


cdef inline void sha1_schedule(const uint8_t* block, uint32_t* words) noexcept nogil:
    cdef int i
    for i in range(16):
        words[i] = (<uint32_t> block[4 * i] << 24 | <uint32_t> block[4 * i + 1] << 16
                    | <uint32_t> block[4 * i + 2] << 8 | block[4 * i + 3])
    for i in range(16, 80):
        words[i] = rotated(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1)


cdef inline void sha1_block(uint32_t* hashed, const uint8_t* block) noexcept nogil:
    cdef uint32_t words[80]
    cdef uint32_t s[5]
    cdef int i
    sha1_schedule(block, words)
    memcpy(s, hashed, sizeof(s))
    for i in range(20):
        sha1_turn(s, (s[1] & s[2]) | (~s[1] & s[3]), words[i] + 0x5A827999u)
    for i in range(20, 40):
        sha1_turn(s, s[1] ^ s[2] ^ s[3], words[i] + 0x6ED9EBA1u)
    for i in range(40, 60):
        sha1_turn(s, (s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3]), words[i] + 0x8F1BBCDCu)
    for i in range(60, 80):
        sha1_turn(s, s[1] ^ s[2] ^ s[3], words[i] + 0xCA62C1D6u)
    for i in range(5):
        hashed[i] += s[i]


cdef inline void sha1_60(const uint8_t* data, uint8_t* digest) noexcept nogil:
    """Write the 20 bytes of the hash of 60 bytes."""
    cdef uint8_t blocks[128]
    cdef uint32_t[5] hashed = [0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u]
    cdef int i
    memcpy(blocks, data, 60)
    memset(blocks + 60, 0, 68)
    blocks[60] = 0x80
    blocks[126] = 480 >> 8  # the size in bits
    blocks[127] = 480 & 0xFF
    sha1_block(hashed, blocks)
    sha1_block(hashed, blocks + 64)
    for i in range(20):
        digest[i] = hashed[i >> 2] >> (24 - 8 * (i & 3)) & 0xFF
