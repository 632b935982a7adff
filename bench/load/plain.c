/* Plain HTTP: one request after another on each connection, for a body or with one. */
#include "client.h"
#include "pattern.h"

#include <stdio.h>
#include <stdlib.h>

static const uint8_t *body(const struct run *run, const struct client *client)
{
    return pattern_at(run->pattern, client_first(run, client));
}

static bool uploads(const struct run *run)
{
    return run->mode->asks[0] == 'p';
}

static void ask(struct run *run, struct client *client)
{
    bool put = uploads(run);
    char head[256];
    int length = snprintf(head, sizeof head,
                          "%s /%s/%u/%u HTTP/1.1\r\n"
                          "Host: 127.0.0.1:%u\r\n"
                          "Content-Length: %u\r\n\r\n",
                          put ? "PUT" : "GET", run->mode->asks, run->options->size,
                          client_first(run, client), run->options->port,
                          put ? run->options->size : 0);
    client_expect(run, client, run->now);
    client->head_size = 0;
    client_write(run, client, (uint8_t *)head, (size_t)length);
    if (put)
        client_write(run, client, body(run, client), run->options->size);
}

/* None starts before all can. */
static void opened(struct run *run, struct client *client)
{
    (void)client;
    run->now = now_ns();
    for (uint32_t i = 0; all_are_open(run) && i < run->options->connections; i++)
        ask(run, &run->clients[i]);
}

static void answered(struct run *run, struct client *client)
{
    run->active--;
    round_trip(run, client->asked_at[client->got++ % run->options->in_flight]);
    if (run->phase != DRAINING)
        ask(run, client);
}

/* Returns how many of the bytes belong to the head. */
static size_t take_head(struct run *run, struct client *client, const uint8_t *data, size_t size)
{
    size_t room = MAX_HEAD - client->head_size, before = client->head_size;
    size_t taken = size < room ? size : room;
    memcpy(client->head + before, data, taken);
    client->head_size += taken;
    client->head[client->head_size] = '\0';
    const char *end = strstr(client->head, "\r\n\r\n");
    if (end == NULL && client->head_size == MAX_HEAD)
        die("connection %u: a head of more than %d bytes", client_number(run, client), MAX_HEAD);
    if (end == NULL)
        return taken;
    const char *length = head_value(client->head, "\r\ncontent-length:");
    if (strncmp(client->head, "HTTP/1.1 200 ", 13) != 0 || length == NULL)
        die("connection %u: not answered: %s", client_number(run, client), client->head);
    client->left = strtoull(length, NULL, 10);
    if (client->left != (uploads(run) ? 0 : run->options->size))
        die("connection %u: an answer of %lu bytes came back", client_number(run, client),
            (unsigned long)client->left);
    client->matched = 0;
    client->stage = ANSWERED;
    return (size_t)(end - client->head) + 4 - before;
}

static void take_body(struct run *run, struct client *client, const uint8_t *data, size_t size)
{
    if (size > client->left)
        die("connection %u: more came back than was asked for", client_number(run, client));
    if (memcmp(body(run, client) + client->matched, data, size) != 0)
        die("connection %u: an answer came back different", client_number(run, client));
    client->matched += size;
    client->left -= size;
    if (client->left == 0) {
        client->stage = OPEN;
        answered(run, client);
    }
}

static void received(struct run *run, struct client *client, const uint8_t *data, size_t size)
{
    if (client->got == client->due)
        die("connection %u: more came back than was asked for", client_number(run, client));
    if (client->stage == OPEN) {
        size_t head = take_head(run, client, data, size);
        data += head;
        size -= head;
    }
    if (client->stage == ANSWERED)
        take_body(run, client, data, size);
}

static int run_plain(const struct options *options, const char *name)
{
    const struct mode mode = {
        .name = name, .asks = name, .received = received, .opened = opened, .tick = window_tick};
    return run_round_trips(options, &mode);
}

int run_get(const struct options *options)
{
    return run_plain(options, "get");
}

int run_put(const struct options *options)
{
    return run_plain(options, "put");
}
