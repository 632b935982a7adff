/* Opens connections, proves each by one echo, and holds them until a line or the end of stdin. */
#include "client.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static void opened(struct run *run, struct client *client)
{
    client_send(run, client, 1);
}

static void answered(struct run *run, struct client *client, uint32_t count)
{
    (void)run, (void)client, (void)count;
}

static bool told_to_go(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

static void tick(struct run *run)
{
    if (run->phase == STARTING)
        window_open(run);
    if (run->phase == MEASURING && run->opened == run->options->connections && run->active == 0) {
        window_close(run);
        printf("{");
        window_print(run, run->opened);
        printf("}\n");
        fflush(stdout);
    }
    run->done = run->phase == DRAINING && told_to_go();
}

static const struct mode IDLE = {.name = "idle",
                                 .asks = "echo",
                                 .opened = opened,
                                 .arrived = round_trip,
                                 .answered = answered,
                                 .tick = tick};

int run_idle(const struct options *options)
{
    struct run run;
    run_start(&run, options, &IDLE);
    tick(&run);
    run_events(&run);
    run_free(&run);
    return 0;
}
