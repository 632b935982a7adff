/* Echoes at a fixed rate, whether or not the last have come back. A latency counts from the time at
 * which the message should have gone out, so that a stall hides none of those that it held up. */
#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

static uint64_t interval(const struct run *run)
{
    return 1000000000u / run->options->rate;
}

static void set_alarm(struct run *run, uint64_t ns)
{
    struct itimerspec every = {.it_value = timespec_of(ns), .it_interval = timespec_of(ns)};
    if (timerfd_settime(run->alarm, 0, &every, NULL) < 0)
        die("timerfd_settime: %s", strerror(errno));
}

static void start_alarm(struct run *run)
{
    run->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (run->alarm < 0)
        die("timerfd_create: %s", strerror(errno));
    watch(run->epoll, WATCH_NEW, run->alarm, EPOLLIN, NULL);
    run->next_at = now_ns();
    set_alarm(run, interval(run));
}

static void opened(struct run *run, struct client *client)
{
    (void)client;
    if (all_are_open(run))
        start_alarm(run);
}

static void send_at(struct run *run, uint64_t intended)
{
    struct client *client = &run->clients[run->scheduled++ % run->options->connections];
    client_expect(run, client, intended);
    client_write_messages(run, client, 1);
}

static void send_until(struct run *run, uint64_t time)
{
    for (; run->next_at < time; run->next_at += interval(run))
        send_at(run, run->next_at);
}

static void alarmed(struct run *run)
{
    uint64_t expired;
    if (read(run->alarm, &expired, sizeof expired) < 0)
        return;
    if (run->phase == DRAINING)
        set_alarm(run, 0);
    else
        send_until(run, now_ns());
}

/* The window may close before the alarm for its last messages: they still go out, and count. */
static void tick(struct run *run)
{
    window_tick(run);
    if (run->phase == DRAINING && run->next_at < run->until) {
        send_until(run, run->until);
        run->done = false;
    }
}

/* What was due within the window counts, and it counts when it comes later, too. */
static void arrived(struct run *run, uint64_t intended)
{
    bool opened = run->phase == MEASURING || run->phase == DRAINING;
    if (opened && intended >= run->began && intended < run->until)
        histogram_add(&run->round_trips, run->now - intended);
}

static void answered(struct run *run, struct client *client, uint32_t count)
{
    (void)run, (void)client, (void)count;
}

static const struct mode OPEN_LOOP = {.name = "open",
                                      .asks = "echo",
                                      .opened = opened,
                                      .arrived = arrived,
                                      .answered = answered,
                                      .alarm = alarmed,
                                      .tick = tick};

int run_open(const struct options *options)
{
    return run_round_trips(options, &OPEN_LOOP);
}
