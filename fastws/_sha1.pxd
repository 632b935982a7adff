"""SHA-1 (FIPS 180-4) of 60 bytes, which is what a WebSocket handshake hashes: a key and a GUID.

OpenSSL's, by way of hashlib, looks up the algorithm and makes objects first; that takes longer.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset


cdef inline uint32_t rotated(uint32_t word, int bits) noexcept nogil:
    return word << bits | word >> (32 - bits)


cdef inline void sha1_turn(uint32_t a, uint32_t* b, uint32_t* e, uint32_t mixed,
                           uint32_t added) noexcept nogil:
    """One turn; the next one takes the five words one place further."""
    e[0] += rotated(a, 5) + mixed + added
    b[0] = rotated(b[0], 30)


cdef inline uint32_t choice(uint32_t b, uint32_t c, uint32_t d) noexcept nogil:
    return d ^ (b & (c ^ d))


cdef inline uint32_t parity(uint32_t b, uint32_t c, uint32_t d) noexcept nogil:
    return b ^ c ^ d


cdef inline uint32_t majority(uint32_t b, uint32_t c, uint32_t d) noexcept nogil:
    return (b & c) | (d & (b | c))


ctypedef uint32_t (*Mix)(uint32_t b, uint32_t c, uint32_t d) noexcept nogil


cdef inline void sha1_turns(uint32_t* state, Mix mix, const uint32_t* words,
                            uint32_t constant) noexcept nogil:
    """Twenty turns, by fives: then each word is in its place again."""
    cdef uint32_t a = state[0]
    cdef uint32_t b = state[1]
    cdef uint32_t c = state[2]
    cdef uint32_t d = state[3]
    cdef uint32_t e = state[4]
    cdef int i
    for i in range(0, 20, 5):
        sha1_turn(a, &b, &e, mix(b, c, d), words[i] + constant)
        sha1_turn(e, &a, &d, mix(a, b, c), words[i + 1] + constant)
        sha1_turn(d, &e, &c, mix(e, a, b), words[i + 2] + constant)
        sha1_turn(c, &d, &b, mix(d, e, a), words[i + 3] + constant)
        sha1_turn(b, &c, &a, mix(c, d, e), words[i + 4] + constant)
    state[0] = a
    state[1] = b
    state[2] = c
    state[3] = d
    state[4] = e


cdef inline void sha1_schedule(const uint8_t* block, uint32_t* words) noexcept nogil:
    cdef int i
    for i in range(16):
        words[i] = (<uint32_t> block[4 * i] << 24 | <uint32_t> block[4 * i + 1] << 16
                    | <uint32_t> block[4 * i + 2] << 8 | block[4 * i + 3])
    for i in range(16, 80):
        words[i] = rotated(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1)


cdef inline void sha1_block(uint32_t* hashed, const uint8_t* block) noexcept nogil:
    cdef uint32_t words[80]
    cdef uint32_t state[5]
    cdef int i
    sha1_schedule(block, words)
    memcpy(state, hashed, sizeof(state))
    sha1_turns(state, choice, words, 0x5A827999u)
    sha1_turns(state, parity, words + 20, 0x6ED9EBA1u)
    sha1_turns(state, majority, words + 40, 0x8F1BBCDCu)
    sha1_turns(state, parity, words + 60, 0xCA62C1D6u)
    for i in range(5):
        hashed[i] += state[i]


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
