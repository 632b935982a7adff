/* Messages to and fro over lasting connections, so many of them in flight. */
#include "client.h"

#include <stdio.h>

static void opened(struct run *run, struct client *client)
{
    client_send(run, client, run->options->in_flight);
}

static void echoed(struct run *run, struct client *client, uint32_t count)
{
    if (run->phase != DRAINING)
        client_send(run, client, count);
    else if (client->sent == client->echoed)
        run->active--;
}

static const struct mode ECHO = {
    .name = "load", .opened = opened, .echoed = echoed, .tick = window_tick};

int run_echo(const struct options *options)
{
    struct run run;
    run_start(&run, options, &ECHO);
    run_events(&run);
    printf("{");
    latency_print("latency_us", &run.round_trips);
    window_print(&run, run.round_trips.total);
    printf("}\n");
    run_free(&run);
    return 0;
}
