/* Sockets on the loopback interface, and the bytes a socket would not take yet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_HEAD = 4096, READ_SIZE = 256 * 1024 };

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *allocate(size_t count, size_t size); /* zeroed */

uint64_t now_ns(void);
uint16_t port_number(const char *text);

/* Descriptors up to the hard limit: the default of 1024 is less than one scenario needs. */
void raise_descriptor_limit(void);

int listen_on(uint16_t port);
uint16_t local_port(int fd);
int accept_next(int listener); /* -1 when there is none */
int dial(uint16_t port);

ssize_t send_some(int fd, const uint8_t *data, size_t size); /* -1 when the socket is broken */

enum watching { WATCH_NEW, WATCH_CHANGED };
void watch(int epoll, enum watching how, int fd, uint32_t events, void *owner);

/* What a socket would not take yet. */
struct sink {
    uint8_t *data;
    size_t at, end, room;
};

static inline bool sink_pending(const struct sink *sink)
{
    return sink->at < sink->end;
}

/* Both return false when the connection is broken. */
bool sink_write(struct sink *sink, int fd, const uint8_t *data, size_t size);
bool sink_flush(struct sink *sink, int fd);
void sink_free(struct sink *sink);

/* The value of a header in a head that ends in an empty line, or NULL; name as "\r\nname:". */
const char *head_value(const char *head, const char *name);
