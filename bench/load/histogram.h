/* Latencies in nanoseconds, in buckets 1/128 of their value wide: every percentile is within 1 %. */
#pragma once

#include <stdint.h>

enum { BUCKETS = 58 * 128 };

struct histogram {
    uint64_t total, highest;
    uint64_t counts[BUCKETS];
};

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    uint64_t shift = value < 256 ? 0 : 56 - (uint64_t)__builtin_clzll(value);
    histogram->counts[shift * 128 + (value >> shift)]++;
    histogram->total++;
    if (value > histogram->highest)
        histogram->highest = value;
}

/* The middle of the bucket in which the given share (0 to 1) of all values is reached. */
static inline uint64_t histogram_at(const struct histogram *histogram, double share)
{
    uint64_t seen = 0;
    for (uint64_t i = 0; i < BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > 0 && (double)seen >= share * (double)histogram->total) {
            uint64_t shift = i < 256 ? 0 : i / 128 - 1;
            return ((i - shift * 128) << shift) + ((1ull << shift) >> 1);
        }
    }
    return 0;
}
