/* The bytes of all payloads, the same in the load generator and in the backend. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    PATTERN_TURNS = 4096, /* a payload starts at one of so many places in the pattern */
    PATTERN_STRIDE = 61,  /* odd, so that PATTERN_TURNS messages in a row all differ */
};

/* Room for payloads of up to so many bytes; the caller frees it. */
uint8_t *pattern_new(size_t size);

static inline const uint8_t *pattern_at(const uint8_t *pattern, uint64_t message)
{
    return pattern + message * PATTERN_STRIDE % PATTERN_TURNS;
}
