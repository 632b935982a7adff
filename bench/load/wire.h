/* WebSocket frames (RFC 6455 section 5): headers and masking, on bytes in memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the key rotation is little endian");

enum opcode { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

enum {
    FIN = 0x80,
    MASKED = 0x80,
    MAX_HEADER = 14,
    MAX_CONTROL = 125,
};

struct frame {
    uint8_t first; /* FIN, RSV and opcode as they came */
    bool masked;
    uint32_t key;
    uint64_t length;
};

static inline enum opcode frame_opcode(const struct frame *frame)
{
    return frame->first & 0x0f;
}

static inline bool frame_is_control(const struct frame *frame)
{
    return frame->first & 0x08;
}

static inline uint64_t big_endian(const uint8_t *data, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | data[i];
    return value;
}

/* The size of the header, or 0 while it is incomplete. */
static inline size_t frame_decode(const uint8_t *data, size_t size, struct frame *frame)
{
    if (size < 2)
        return 0;
    uint8_t code = data[1] & 0x7f;
    size_t extended = code == 127 ? 8 : code == 126 ? 2 : 0;
    frame->first = data[0];
    frame->masked = data[1] & MASKED;
    frame->key = 0;
    size_t header = 2 + extended + (frame->masked ? 4 : 0);
    if (size < header)
        return 0;
    frame->length = extended ? big_endian(data + 2, extended) : code;
    if (frame->masked)
        memcpy(&frame->key, data + 2 + extended, 4);
    return header;
}

/* Writes at most MAX_HEADER bytes and returns their number. */
static inline size_t frame_encode(uint8_t *to, const struct frame *frame)
{
    uint64_t length = frame->length;
    size_t extended = length > 0xffff ? 8 : length > 125 ? 2 : 0;
    uint8_t code = extended == 8 ? 127 : extended == 2 ? 126 : (uint8_t)length;
    to[0] = frame->first;
    to[1] = code | (frame->masked ? MASKED : 0);
    for (size_t i = 0; i < extended; i++)
        to[2 + i] = (uint8_t)(length >> 8 * (extended - 1 - i));
    if (frame->masked)
        memcpy(to + 2 + extended, &frame->key, 4);
    return 2 + extended + (frame->masked ? 4 : 0);
}

/* `to` may lie before `from` in one buffer, hence no restrict and no vectors from the compiler:
 * each step loads all it needs before it stores. */
static inline void mask_copy(uint8_t *to, const uint8_t *from, size_t size, uint32_t key)
{
    uint64_t wide = (uint64_t)key << 32 | key;
    uint64_t words[4];
    for (; size >= sizeof words; size -= sizeof words) {
        memcpy(words, from, sizeof words);
        for (int i = 0; i < 4; i++)
            words[i] ^= wide;
        memcpy(to, words, sizeof words);
        from += sizeof words;
        to += sizeof words;
    }
    for (size_t i = 0; i < size; i++)
        to[i] = from[i] ^ (uint8_t)(wide >> 8 * (i % 4));
}

/* The key as it stands for the byte that is `by` bytes further on. */
static inline uint32_t mask_rotate(uint32_t key, size_t by)
{
    unsigned bits = 8 * (by % 4);
    return bits ? key >> bits | key << (32 - bits) : key;
}
