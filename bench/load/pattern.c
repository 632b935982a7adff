#include "pattern.h"

#include "net.h"
#include "random.h"

uint8_t *pattern_new(size_t size)
{
    uint64_t random = RANDOM_SEED;
    uint8_t *pattern = allocate(size + PATTERN_TURNS, 1);
    for (size_t i = 0; i < size + PATTERN_TURNS; i++)
        pattern[i] = (uint8_t)random_next(&random);
    return pattern;
}
