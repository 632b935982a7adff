/* Numbers that look random and are the same in every run. */
#pragma once

#include <stdint.h>

static const uint64_t RANDOM_SEED = 0x9e3779b97f4a7c15u;

/* xorshift64* */
static inline uint32_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(*state * 0x2545f4914f6cdd1du >> 32);
}
