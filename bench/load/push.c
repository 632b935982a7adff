/* The backend sends as fast as it can; the connections only receive. */
#include "client.h"

#include <stdio.h>

static void opened(struct run *run, struct client *client)
{
    (void)run, (void)client;
}

/* Nobody asked for the message, so that there is no latency. */
static void arrived(struct run *run, uint64_t asked_at)
{
    (void)asked_at;
    run->pushed++;
}

static void answered(struct run *run, struct client *client, uint32_t count)
{
    (void)run, (void)client, (void)count;
}

static const struct mode PUSH = {.name = "push",
                                 .asks = "push",
                                 .unasked = true,
                                 .opened = opened,
                                 .arrived = arrived,
                                 .answered = answered,
                                 .tick = window_tick};

int run_push(const struct options *options)
{
    struct run run;
    run_start(&run, options, &PUSH);
    run_events(&run);
    printf("{");
    window_print(&run, run.pushed);
    printf("}\n");
    run_free(&run);
    return 0;
}
