#include "stream.h"

#include "net.h"
#include "wire.h"

#include <stdlib.h>

static struct stream *stream_new(size_t size)
{
    struct frame frame = {.first = FIN | BINARY, .length = size};
    struct stream *stream = allocate(1, sizeof *stream);
    stream->size = size;
    stream->data = allocate(PATTERN_TURNS, MAX_HEADER + size);
    uint8_t *pattern = pattern_new(size), *to = stream->data;
    for (uint64_t message = 0; message < PATTERN_TURNS; message++) {
        to += frame_encode(to, &frame);
        memcpy(to, pattern_at(pattern, message), size);
        to += size;
    }
    stream->frame = (size_t)(to - stream->data) / PATTERN_TURNS;
    free(pattern);
    return stream;
}

const struct stream *stream_of(size_t size)
{
    static struct stream *built;
    for (struct stream *stream = built; stream != NULL; stream = stream->next)
        if (stream->size == size)
            return stream;
    if (size > MAX_STREAM_SIZE)
        return NULL;
    struct stream *stream = stream_new(size);
    stream->next = built;
    return built = stream;
}
