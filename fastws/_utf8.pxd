"""RFC 3629: is a text that comes in pieces UTF-8? On pointers, without objects.

A table of states, of which each byte needs one look-up and one shift: the entry of a byte holds,
at the bit that a state is the number of, the state behind it. What leads nowhere leads to WRONG,
which no byte leads out of.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy


cdef extern from *:
    """
    enum {
        UTF8_WRONG = 0, UTF8_WHOLE = 6,
        /* so many bytes of a sequence are due */
        UTF8_ONE = 12, UTF8_TWO = 18, UTF8_THREE = 24,
        /* the second byte has narrower bounds behind these */
        UTF8_E0 = 30, UTF8_ED = 36, UTF8_F0 = 42, UTF8_F4 = 48
    };
    #define UTF8_STEP(from, to) ((uint64_t) UTF8_##to << UTF8_##from)
    #define UTF8_NEXT (UTF8_STEP(ONE, WHOLE) | UTF8_STEP(TWO, ONE) | UTF8_STEP(THREE, TWO))

    static const uint64_t UTF8_STEPS[256] = {
        [0x00 ... 0x7F] = UTF8_STEP(WHOLE, WHOLE),
        [0x80 ... 0x8F] = UTF8_NEXT | UTF8_STEP(ED, ONE) | UTF8_STEP(F4, TWO),
        [0x90 ... 0x9F] = UTF8_NEXT | UTF8_STEP(ED, ONE) | UTF8_STEP(F0, TWO),
        [0xA0 ... 0xBF] = UTF8_NEXT | UTF8_STEP(E0, ONE) | UTF8_STEP(F0, TWO),
        [0xC2 ... 0xDF] = UTF8_STEP(WHOLE, ONE),
        [0xE0] = UTF8_STEP(WHOLE, E0),
        [0xE1 ... 0xEC] = UTF8_STEP(WHOLE, TWO),
        [0xED] = UTF8_STEP(WHOLE, ED),
        [0xEE ... 0xEF] = UTF8_STEP(WHOLE, TWO),
        [0xF0] = UTF8_STEP(WHOLE, F0),
        [0xF1 ... 0xF3] = UTF8_STEP(WHOLE, THREE),
        [0xF4] = UTF8_STEP(WHOLE, F4),
    };
    """
    enum:
        UTF8_WRONG
        UTF8_WHOLE                 # also: nothing has come yet
        UTF8_F4                    # the last one
    const uint64_t UTF8_STEPS[256]


cdef inline bint utf8_may_go_on(uint8_t state) noexcept nogil:
    """Is it the state of a text that has been UTF-8 so far?"""
    return UTF8_WRONG < state <= UTF8_F4 and state % UTF8_WHOLE == 0


cdef inline uint8_t utf8_feed(uint8_t state, const uint8_t* data, size_t size) noexcept nogil:
    """The state behind these bytes, if that before them was `state`."""
    cdef size_t i = 0
    cdef int j
    cdef uint64_t word = 0, steps = state
    while size - i >= 8:
        memcpy(&word, data + i, 8)
        if steps & 63 != UTF8_WHOLE or word & <uint64_t>0x8080808080808080:
            for j in range(8):
                steps = UTF8_STEPS[data[i + j]] >> (steps & 63)
        i += 8
    while i < size:
        steps = UTF8_STEPS[data[i]] >> (steps & 63)
        i += 1
    return <uint8_t> (steps & 63)
