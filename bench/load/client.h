/* Client connections that upgrade, send, and compare every byte of every echo. What to do next
 * is the mode's business: it is told when a connection opened, echoed or finished. */
#pragma once

#include "accept.h"
#include "histogram.h"
#include "modes.h"
#include "net.h"
#include "wire.h"

/* ANSWERED: the head of an answer in plain HTTP has come, its body has not. */
enum client_stage { CONNECTING, UPGRADING, OPEN, ANSWERED, CLOSING, FINISHING };

struct client {
    int fd;
    enum client_stage stage;
    struct sink out;

    struct frame frame; /* the one that is streaming in */
    uint64_t left;      /* of its payload */
    bool fragmented;    /* within a message, after a frame without FIN */
    size_t carried;
    uint8_t carry[MAX_HEADER]; /* the beginning of a header whose rest is to come */
    uint8_t control[MAX_CONTROL];

    uint64_t sent, due, got; /* messages */
    uint64_t matched;        /* bytes of the message that is coming in */
    uint64_t *asked_at;      /* a ring of in_flight times, for messages that are due */
    uint64_t dialled_at;
    uint64_t longest; /* round trip since the window opened */

    size_t head_size;
    char accept[ACCEPT_SIZE];
    char head[MAX_HEAD + 1];
};

enum phase { STARTING, WARMING, MEASURING, DRAINING };

struct run {
    const struct options *options;
    const struct mode *mode;
    int epoll;
    enum phase phase;
    bool done;
    struct client *clients;
    uint32_t dialled, opened; /* of the first connections */
    uint32_t active;          /* answers that are due: to handshakes, messages and closes */
    uint64_t random;
    uint64_t now; /* when the bytes at hand were read */
    uint64_t until;
    uint8_t *pattern;
    uint8_t *in; /* MAX_HEADER bytes for what was carried, then READ_SIZE bytes */
    uint8_t *out;
    size_t out_room;

    uint64_t pushed; /* messages that came unasked */

    int alarm; /* the open loop's timer */
    uint64_t scheduled, next_at;

    struct histogram round_trips, handshakes, cycles;
    uint64_t began, ended;
    struct usage before, after;
};

struct mode {
    const char *name;
    const char *asks; /* the backend to do this */
    bool unasked;     /* the backend sends as it likes */
    /* For modes that do not upgrade: what comes on a connection. */
    void (*received)(struct run *, struct client *, const uint8_t *data, size_t size);
    void (*opened)(struct run *, struct client *);
    void (*arrived)(struct run *, uint64_t asked_at);                /* each message */
    void (*answered)(struct run *, struct client *, uint32_t count); /* messages of one read */
    void (*finished)(struct run *, struct client *);
    void (*alarm)(struct run *); /* what is watched for no client is ready */
    void (*tick)(struct run *);  /* after each turn of the loop */
};

static inline bool all_are_open(const struct run *run)
{
    return run->opened == run->options->connections;
}

void client_dial(struct run *run, struct client *client);
/* Sends messages of which each is answered by one. */
void client_send(struct run *run, struct client *client, uint32_t count);
/* The two halves of that. */
void client_expect(struct run *run, struct client *client, uint64_t asked_at);
void client_write_messages(struct run *run, struct client *client, uint32_t count);
void client_close(struct run *run, struct client *client);
void client_write(struct run *run, struct client *client, const uint8_t *data, size_t size);

uint32_t client_number(const struct run *run, const struct client *client);
/* The message of the pattern with which a connection begins. */
uint32_t client_first(const struct run *run, const struct client *client);

/* Counts a message with its latency, if it arrived before the window closed. */
void round_trip(struct run *run, uint64_t asked_at);

void run_start(struct run *run, const struct options *options, const struct mode *mode);
void run_events(struct run *run);
void run_free(struct run *run);
/* All of it, for a mode that times round trips: runs, reports, and gives the exit status. */
int run_round_trips(const struct options *options, const struct mode *mode);

/* The measuring window: after the warm-up, which starts when all connections are open. */
void window_tick(struct run *run);
void window_open(struct run *run);
void window_close(struct run *run);
void window_print(const struct run *run, uint64_t messages);
void latency_print(const char *name, const struct histogram *histogram);
