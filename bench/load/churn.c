/* Connect, upgrade, one echo, the closing handshake, FIN; and again. */
#include "client.h"

#include <stdio.h>

static void opened(struct run *run, struct client *client)
{
    client_send(run, client, 1);
}

static void answered(struct run *run, struct client *client, uint32_t count)
{
    (void)count; /* only one is in flight */
    client_close(run, client);
}

static void finished(struct run *run, struct client *client)
{
    if (run->phase != DRAINING)
        client_dial(run, client);
}

static const struct mode CHURN = {.name = "churn",
                                  .asks = "echo",
                                  .opened = opened,
                                  .arrived = round_trip,
                                  .answered = answered,
                                  .finished = finished,
                                  .tick = window_tick};

int run_churn(const struct options *options)
{
    struct run run;
    run_start(&run, options, &CHURN);
    run_events(&run);
    printf("{");
    latency_print("handshake_us", &run.handshakes);
    latency_print("latency_us", &run.cycles);
    window_print(&run, run.cycles.total);
    printf("}\n");
    run_free(&run);
    return 0;
}
