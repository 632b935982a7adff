/* What the program can be told to be. Each returns the exit status. */
#pragma once

#include "usage.h"

#include <stdint.h>

struct options {
    uint16_t port;
    uint32_t connections;
    uint32_t in_flight; /* messages on their way per connection */
    uint32_t size;      /* of a payload */
    double seconds, warmup;
    struct watchlist watched;
};

int run_backend(uint16_t port);             /* echoes until it is killed */
int run_echo(const struct options *options);  /* messages to and fro over lasting connections */
int run_churn(const struct options *options); /* connect, upgrade, echo, close, again */
int run_idle(const struct options *options);  /* opens connections and holds them */
