/* What the backend sends of its own accord: frames built once, sent from where they lie. */
#pragma once

#include "pattern.h"

enum { MAX_STREAM_SIZE = 4096 };

/* One turn of the pattern: PATTERN_TURNS binary frames, unmasked, all of one size. */
struct stream {
    size_t size; /* of a payload */
    size_t frame;
    uint8_t *data;
    struct stream *next;
};

/* The stream of this payload size, built when it is first asked for; NULL if too large. */
const struct stream *stream_of(size_t size);

static inline size_t stream_length(const struct stream *stream)
{
    return PATTERN_TURNS * stream->frame;
}

/* Moves a place in the stream on; after the end comes the beginning. */
static inline void stream_advance(const struct stream *stream, size_t *at, size_t by)
{
    *at = (*at + by) % stream_length(stream);
}
