/* Messages to and fro over lasting connections, so many of them in flight. */
#include "client.h"

/* None starts before all can: echoes on the first would slow down the opening of the last. */
static void opened(struct run *run, struct client *client)
{
    (void)client;
    for (uint32_t i = 0; all_are_open(run) && i < run->options->connections; i++)
        client_send(run, &run->clients[i], run->options->in_flight);
}

static void answered(struct run *run, struct client *client, uint32_t count)
{
    if (run->phase != DRAINING)
        client_send(run, client, count);
}

static const struct mode ECHO = {.name = "load",
                                 .asks = "echo",
                                 .opened = opened,
                                 .arrived = round_trip,
                                 .answered = answered,
                                 .tick = window_tick};

int run_echo(const struct options *options)
{
    return run_round_trips(options, &ECHO);
}
