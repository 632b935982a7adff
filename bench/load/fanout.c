/* The first connection sends a message, and the backend then sends one to each connection: a tick.
 * The next goes out when all have got the last. */
#include "client.h"

static void ask_for_tick(struct run *run)
{
    for (uint32_t i = 0; i < run->options->connections; i++)
        client_expect(run, &run->clients[i], run->now);
    client_write_messages(run, &run->clients[0], 1);
}

static bool all_are_served(const struct run *run)
{
    return all_are_open(run) && run->active == 0;
}

static void opened(struct run *run, struct client *client)
{
    (void)client;
    if (all_are_served(run))
        ask_for_tick(run);
}

static void answered(struct run *run, struct client *client, uint32_t count)
{
    (void)client, (void)count;
    if (all_are_served(run) && run->phase != DRAINING)
        ask_for_tick(run);
}

static const struct mode FANOUT = {.name = "fanout",
                                   .asks = "fanout",
                                   .opened = opened,
                                   .arrived = round_trip,
                                   .answered = answered,
                                   .tick = window_tick};

int run_fanout(const struct options *options)
{
    return run_round_trips(options, &FANOUT);
}
