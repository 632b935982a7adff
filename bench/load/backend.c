/* A server that does what the request's target says:
 *   /push/SIZE/FIRST    sends messages of that size as fast as they go out
 *   /fanout/SIZE/FIRST  sends one to each such connection whenever a message comes in on one
 *   /get/SIZE/FIRST     answers with a body of that size, in plain HTTP
 *   /put/SIZE/FIRST     takes such a body, in plain HTTP, and breaks off if it differs
 *   all else            echoes: every frame goes back unmasked with its own opcode, as it streams in
 * FIRST is the message of the pattern with which a connection or body begins. */
#include "modes.h"

#include "accept.h"
#include "net.h"
#include "pattern.h"
#include "stream.h"
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum stage { UPGRADING, OPEN, CLOSING, LINGERING };
enum task { ECHO, PUSH, FANOUT, PLAIN };

struct peer {
    int fd;
    enum stage stage;
    enum task task;
    const struct stream *stream; /* for tasks other than ECHO */
    size_t at;                   /* what goes out next of the stream */
    LIST_ENTRY(peer) fellows;    /* in the audience */
    struct frame frame;          /* the one that is streaming through */
    uint64_t left;               /* of its payload */
    size_t carried;
    uint8_t carry[MAX_HEADER]; /* the beginning of a header whose rest is to come */
    struct sink out;
    unsigned size, first; /* of the body that is asked for, or comes: then `left` is to come */
    size_t head_size;
    char head[MAX_HEAD + 1];
};

struct backend {
    int epoll, listener;
    LIST_HEAD(, peer) audience; /* of fan-outs */
    uint8_t *room;              /* MAX_HEADER bytes for what was carried, then READ_SIZE bytes */
    uint8_t *pattern;           /* of the bodies of plain HTTP, up to the largest so far */
    size_t pattern_size;
};

static void peer_free(struct peer *peer)
{
    if (peer->task == FANOUT)
        LIST_REMOVE(peer, fellows);
    close(peer->fd);
    sink_free(&peer->out);
    free(peer);
}

static void peer_accept(struct backend *backend)
{
    int fd;
    while ((fd = accept_next(backend->listener)) >= 0) {
        struct peer *peer = allocate(1, sizeof *peer);
        peer->fd = fd;
        watch(backend->epoll, WATCH_NEW, fd, EPOLLIN, peer);
    }
}

static bool has_answer(const struct peer *peer)
{
    if (frame_is_control(&peer->frame))
        return frame_opcode(&peer->frame) != PONG;
    return peer->task == ECHO;
}

/* A ping is answered, a pong is not, a close is echoed (RFC 6455 sections 5.5.1 to 5.5.3). */
static size_t answer_header(const struct peer *peer, uint8_t *to)
{
    struct frame answer = {.first = peer->frame.first, .length = peer->frame.length};
    if (!has_answer(peer))
        return 0;
    if (frame_opcode(&peer->frame) == PING)
        answer.first = FIN | PONG;
    return frame_encode(to, &answer);
}

static size_t answer_payload(struct peer *peer, uint8_t *to, const uint8_t *data, size_t size)
{
    if (!has_answer(peer))
        return 0;
    mask_copy(to, data, size, peer->frame.key);
    peer->frame.key = mask_rotate(peer->frame.key, size);
    return size;
}

/* The server closes first (RFC 6455 section 7.1.1), then waits for the other side's FIN. */
static void peer_settle(struct backend *backend, struct peer *peer)
{
    bool pending = sink_pending(&peer->out);
    if (peer->stage == CLOSING && !pending) {
        shutdown(peer->fd, SHUT_WR);
        peer->stage = LINGERING;
    }
    uint32_t events = pending ? EPOLLOUT : EPOLLIN;
    if (peer->task == PUSH && peer->stage == OPEN)
        events |= EPOLLOUT;
    watch(backend->epoll, WATCH_CHANGED, peer->fd, events, peer);
}

/* One frame to each, from its own place in the pattern. That a connection is broken is found out
 * when its turn in the loop comes. */
static void tick(struct backend *backend)
{
    struct peer *peer;
    LIST_FOREACH(peer, &backend->audience, fellows) {
        bool pending = sink_pending(&peer->out);
        if (peer->stage != OPEN)
            continue;
        sink_write(&peer->out, peer->fd, peer->stream->data + peer->at, peer->stream->frame);
        stream_advance(peer->stream, &peer->at, peer->stream->frame);
        if (!pending && sink_pending(&peer->out))
            peer_settle(backend, peer);
    }
}

static void end_frame(struct backend *backend, struct peer *peer)
{
    if (frame_opcode(&peer->frame) == CLOSE)
        peer->stage = CLOSING;
    else if (peer->task == FANOUT && !frame_is_control(&peer->frame) && peer->frame.first & FIN)
        tick(backend);
}

/* Rewrites frames into their answers in place, for an answer is never longer. Returns the size
 * of the answers, or -1 for a frame that no client may send. */
static ssize_t answer_frames(struct backend *backend, struct peer *peer, uint8_t *data,
                             size_t size)
{
    uint8_t *start = data, *to = data, *end = data + size;
    while (data < end && peer->stage == OPEN) {
        if (peer->left == 0) {
            size_t header = frame_decode(data, (size_t)(end - data), &peer->frame);
            if (header == 0) {
                peer->carried = (size_t)(end - data);
                memcpy(peer->carry, data, peer->carried);
                break;
            }
            if (!peer->frame.masked)
                return -1;
            data += header;
            peer->left = peer->frame.length;
            to += answer_header(peer, to);
        }
        size_t rest = (size_t)(end - data);
        size_t part = peer->left < rest ? (size_t)peer->left : rest;
        to += answer_payload(peer, to, data, part);
        data += part;
        peer->left -= part;
        if (peer->left == 0)
            end_frame(backend, peer);
    }
    return to - start;
}

static bool peer_answer(struct backend *backend, struct peer *peer, uint8_t *data, size_t size)
{
    ssize_t answer = answer_frames(backend, peer, data, size);
    if (answer < 0 || !sink_write(&peer->out, peer->fd, data, (size_t)answer))
        return false;
    if (peer->stage == CLOSING || peer->task == PUSH || sink_pending(&peer->out))
        peer_settle(backend, peer);
    return true;
}

static bool peer_switch_protocols(struct peer *peer)
{
    const char *key = head_value(peer->head, "\r\nsec-websocket-key:");
    if (key == NULL || strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789+/=") != KEY_SIZE)
        return false;
    char accept[ACCEPT_SIZE];
    handshake_accept(key, accept);
    char answer[256];
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\n"
                        "Upgrade: websocket\r\n"
                        "Connection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %.*s\r\n\r\n",
                        ACCEPT_SIZE, accept);
    return sink_write(&peer->out, peer->fd, (uint8_t *)answer, (size_t)size);
}

/* False for a size that no stream has. */
static bool peer_take_task(struct backend *backend, struct peer *peer)
{
    char task[7];
    unsigned size, first;
    if (sscanf(peer->head, "GET /%6[a-z]/%u/%u ", task, &size, &first) != 3)
        return true;
    if (strcmp(task, "push") != 0 && strcmp(task, "fanout") != 0)
        return true;
    peer->stream = stream_of(size);
    if (peer->stream == NULL)
        return false;
    stream_advance(peer->stream, &peer->at, first % PATTERN_TURNS * peer->stream->frame);
    peer->task = strcmp(task, "push") == 0 ? PUSH : FANOUT;
    if (peer->task == FANOUT)
        LIST_INSERT_HEAD(&backend->audience, peer, fellows);
    return true;
}

static const uint8_t *plain_body(struct backend *backend, const struct peer *peer)
{
    if (backend->pattern == NULL || backend->pattern_size < peer->size) {
        free(backend->pattern);
        backend->pattern = pattern_new(peer->size);
        backend->pattern_size = peer->size;
    }
    return pattern_at(backend->pattern, peer->first);
}

static bool plain_answer(struct backend *backend, struct peer *peer, unsigned size)
{
    char head[64];
    int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", size);
    if (!sink_write(&peer->out, peer->fd, (uint8_t *)head, (size_t)length) ||
        !sink_write(&peer->out, peer->fd, plain_body(backend, peer), size))
        return false;
    if (sink_pending(&peer->out))
        peer_settle(backend, peer);
    return true;
}

static bool plain_take_body(struct backend *backend, struct peer *peer, const uint8_t *data,
                            size_t size)
{
    const uint8_t *expected = plain_body(backend, peer) + (peer->size - peer->left);
    if (size > peer->left || memcmp(expected, data, size) != 0)
        return false;
    peer->left -= size;
    return peer->left > 0 || plain_answer(backend, peer, 0);
}

static bool plain_take_head(struct backend *backend, struct peer *peer)
{
    char *end = strstr(peer->head, "\r\n\r\n");
    if (end == NULL)
        return peer->head_size < MAX_HEAD;
    char verb[4];
    if (sscanf(peer->head, "%*3s /%3[a-z]/%u/%u ", verb, &peer->size, &peer->first) != 3)
        return false;
    size_t early = (size_t)(peer->head + peer->head_size - end) - 4;
    peer->head_size = 0;
    if (strcmp(verb, "put") != 0)
        return early == 0 && plain_answer(backend, peer, peer->size);
    peer->left = peer->size;
    return plain_take_body(backend, peer, (uint8_t *)end + 4, early);
}

static bool peer_serve(struct backend *backend, struct peer *peer)
{
    bool body = peer->left > 0;
    uint8_t *data = body ? backend->room : (uint8_t *)peer->head + peer->head_size;
    ssize_t got = recv(peer->fd, data, body ? READ_SIZE : MAX_HEAD - peer->head_size, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    if (body)
        return plain_take_body(backend, peer, data, (size_t)got);
    peer->head_size += (size_t)got;
    peer->head[peer->head_size] = '\0';
    return plain_take_head(backend, peer);
}

static bool peer_upgrade(struct backend *backend, struct peer *peer)
{
    size_t room = MAX_HEAD - peer->head_size;
    ssize_t got = recv(peer->fd, peer->head + peer->head_size, room, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    peer->head_size += (size_t)got;
    peer->head[peer->head_size] = '\0';
    char *end = strstr(peer->head, "\r\n\r\n");
    if (end == NULL)
        return peer->head_size < MAX_HEAD;
    if (head_value(peer->head, "\r\nupgrade:") == NULL) {
        peer->task = PLAIN;
        peer->stage = OPEN;
        return plain_take_head(backend, peer);
    }
    if (!peer_take_task(backend, peer) || !peer_switch_protocols(peer))
        return false;
    peer->stage = OPEN;
    uint8_t *early = (uint8_t *)end + 4;
    return peer_answer(backend, peer, early, (size_t)((uint8_t *)peer->head + peer->head_size - early));
}

static bool peer_echo(struct backend *backend, struct peer *peer)
{
    uint8_t *data = backend->room + MAX_HEADER;
    ssize_t got = recv(peer->fd, data, READ_SIZE, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    size_t carried = peer->carried;
    memcpy(data - carried, peer->carry, carried);
    peer->carried = 0;
    return peer_answer(backend, peer, data - carried, carried + (size_t)got);
}

static bool peer_flush(struct backend *backend, struct peer *peer)
{
    if (!sink_flush(&peer->out, peer->fd))
        return false;
    if (!sink_pending(&peer->out))
        peer_settle(backend, peer);
    return true;
}

/* From where the stream lies, as much as the socket takes; what the client sends is ignored. */
static bool peer_push(struct peer *peer)
{
    const struct stream *stream = peer->stream;
    ssize_t sent = send_some(peer->fd, stream->data + peer->at, stream_length(stream) - peer->at);
    if (sent > 0)
        stream_advance(stream, &peer->at, (size_t)sent);
    return sent >= 0;
}

static bool peer_linger(struct backend *backend, struct peer *peer)
{
    ssize_t got = recv(peer->fd, backend->room, READ_SIZE, 0);
    return got > 0 || (got < 0 && errno == EAGAIN);
}

static bool peer_ready(struct backend *backend, struct peer *peer, uint32_t events)
{
    if (sink_pending(&peer->out))
        return peer_flush(backend, peer);
    switch (peer->stage) {
    case OPEN:
        if (peer->task == PLAIN)
            return peer_serve(backend, peer);
        if (peer->task != PUSH)
            return peer_echo(backend, peer);
        return events & EPOLLOUT ? peer_push(peer) : peer_linger(backend, peer);
    case UPGRADING:
        return peer_upgrade(backend, peer);
    default:
        return peer_linger(backend, peer);
    }
}

int run_backend(uint16_t port)
{
    struct backend backend = {.epoll = epoll_create1(EPOLL_CLOEXEC), .listener = listen_on(port)};
    backend.room = allocate(MAX_HEADER + READ_SIZE, 1);
    watch(backend.epoll, WATCH_NEW, backend.listener, EPOLLIN, NULL);
    printf("%u\n", local_port(backend.listener));
    fflush(stdout);

    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(backend.epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            if (peer == NULL)
                peer_accept(&backend);
            else if (!peer_ready(&backend, peer, events[i].events))
                peer_free(peer);
        }
    }
}
