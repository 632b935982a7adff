/* What the program can be told to be. Each returns the exit status. */
#pragma once

#include "usage.h"

#include <stdint.h>

struct options {
    uint16_t port;
    uint32_t connections;
    uint32_t in_flight; /* messages on their way per connection */
    uint32_t size;      /* of a payload */
    uint32_t rate;      /* messages per second, of all connections together */
    double seconds, warmup;
    struct watchlist watched;
};

int run_backend(uint16_t port);                /* does what clients ask for until it is killed */
int run_echo(const struct options *options);   /* messages to and fro over lasting connections */
int run_open(const struct options *options);   /* the same at a fixed rate */
int run_push(const struct options *options);   /* messages that come without a pause */
int run_fanout(const struct options *options); /* one message to each connection, and again */
int run_churn(const struct options *options);  /* connect, upgrade, echo, close, again */
int run_get(const struct options *options);    /* plain requests for a body */
int run_put(const struct options *options);    /* plain requests with one */
int run_idle(const struct options *options);   /* opens connections and holds them */
