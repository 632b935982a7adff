#include "client.h"

#include "pattern.h"
#include "random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUT_ROOM = 64 * 1024, /* what goes into one send, if a frame is not larger */
    DIALLING = 128,       /* connections that open at a time: fewer than any backlog */
    APART = 977,          /* messages between the first of two neighbouring connections */
    NORMAL_CLOSURE = 1000,
};

static const uint64_t STALL_NS = 10000000000u;

uint32_t client_number(const struct run *run, const struct client *client)
{
    return (uint32_t)(client - run->clients);
}

uint32_t client_first(const struct run *run, const struct client *client)
{
    return client_number(run, client) * APART % PATTERN_TURNS;
}

/* Neighbours in a connection, and on other connections, differ: a mixed-up echo is noticed. */
static const uint8_t *payload(const struct run *run, const struct client *client, uint64_t message)
{
    return pattern_at(run->pattern, client_first(run, client) + message);
}

/* What comes after the window is checked, but not counted. */
static void record(const struct run *run, struct histogram *histogram, uint64_t since)
{
    if (run->phase != DRAINING)
        histogram_add(histogram, run->now - since);
}

void round_trip(struct run *run, uint64_t asked_at)
{
    record(run, &run->round_trips, asked_at);
}

/* Opening */

void client_dial(struct run *run, struct client *client)
{
    run->active++;
    client->stage = CONNECTING;
    client->head_size = client->carried = 0;
    client->left = 0;
    client->dialled_at = now_ns();
    client->fd = dial(run->options->port);
    watch(run->epoll, WATCH_NEW, client->fd, EPOLLOUT, client);
}

void client_write(struct run *run, struct client *client, const uint8_t *data, size_t size)
{
    bool pending = sink_pending(&client->out);
    if (!sink_write(&client->out, client->fd, data, size))
        die("connection %u: writing: %s", client_number(run, client), strerror(errno));
    if (!pending && sink_pending(&client->out))
        watch(run->epoll, WATCH_CHANGED, client->fd, EPOLLIN | EPOLLOUT, client);
}

static void client_flush(struct run *run, struct client *client)
{
    if (!sink_flush(&client->out, client->fd))
        die("connection %u: writing: %s", client_number(run, client), strerror(errno));
    if (!sink_pending(&client->out))
        watch(run->epoll, WATCH_CHANGED, client->fd, EPOLLIN, client);
}

static void check_connected(struct run *run, struct client *client)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0)
        die("connection %u: connecting: %s", client_number(run, client), strerror(error));
}

/* The target tells the backend what to do, and from where in the pattern to send what size. */
static void client_request(struct run *run, struct client *client)
{
    uint32_t nonce[4];
    for (int i = 0; i < 4; i++)
        nonce[i] = random_next(&run->random);
    char key[KEY_SIZE];
    handshake_key((uint8_t *)nonce, key);
    handshake_accept(key, client->accept);

    char request[256];
    int length = snprintf(request, sizeof request,
                          "GET /%s/%u/%u HTTP/1.1\r\n"
                          "Host: 127.0.0.1:%u\r\n"
                          "Upgrade: websocket\r\n"
                          "Connection: Upgrade\r\n"
                          "Sec-WebSocket-Key: %.*s\r\n"
                          "Sec-WebSocket-Version: 13\r\n\r\n",
                          run->mode->asks, run->options->size, client_first(run, client),
                          run->options->port, KEY_SIZE, key);
    watch(run->epoll, WATCH_CHANGED, client->fd, EPOLLIN, client);
    client_write(run, client, (uint8_t *)request, (size_t)length);
    client->stage = UPGRADING;
}

static void check_head(struct run *run, struct client *client)
{
    if (strncmp(client->head, "HTTP/1.1 101 ", 13) != 0)
        die("connection %u: not upgraded: %s", client_number(run, client), client->head);
    const char *accept = head_value(client->head, "\r\nsec-websocket-accept:");
    if (accept == NULL || strncmp(accept, client->accept, ACCEPT_SIZE) != 0)
        die("connection %u: wrong Sec-WebSocket-Accept: %s", client_number(run, client), client->head);
}

/* Sending */

static size_t write_frame(struct run *run, uint8_t *to, enum opcode opcode, const uint8_t *data,
                          size_t size)
{
    struct frame frame = {
        .first = FIN | (uint8_t)opcode, .masked = true, .key = random_next(&run->random), .length = size};
    size_t header = frame_encode(to, &frame);
    mask_copy(to + header, data, size, frame.key);
    return header + size;
}

void client_expect(struct run *run, struct client *client, uint64_t asked_at)
{
    if (client->due - client->got == run->options->in_flight)
        die("connection %u: %u messages are in flight, and there is no room for more",
            client_number(run, client), run->options->in_flight);
    client->asked_at[client->due++ % run->options->in_flight] = asked_at;
    run->active++;
}

void client_write_messages(struct run *run, struct client *client, uint32_t count)
{
    size_t frame_room = MAX_HEADER + run->options->size, filled = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (filled + frame_room > run->out_room) {
            client_write(run, client, run->out, filled);
            filled = 0;
        }
        filled += write_frame(run, run->out + filled, BINARY, payload(run, client, client->sent),
                              run->options->size);
        client->sent++;
    }
    client_write(run, client, run->out, filled);
}

void client_send(struct run *run, struct client *client, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        client_expect(run, client, run->now);
    client_write_messages(run, client, count);
}

void client_close(struct run *run, struct client *client)
{
    const uint8_t code[2] = {NORMAL_CLOSURE >> 8, NORMAL_CLOSURE & 0xff};
    uint8_t frame[MAX_HEADER + sizeof code];
    client_write(run, client, frame, write_frame(run, frame, CLOSE, code, sizeof code));
    client->stage = CLOSING;
    run->active++;
}

/* Receiving */

static bool message_is_due(const struct run *run, const struct client *client)
{
    return run->mode->unasked || client->got < client->due;
}

static void begin_frame(struct run *run, struct client *client)
{
    const struct frame *frame = &client->frame;
    enum opcode opcode = frame_opcode(frame);
    if (frame->masked)
        die("connection %u: a masked frame", client_number(run, client));
    if (frame_is_control(frame) && frame->length > MAX_CONTROL)
        die("connection %u: a long control frame", client_number(run, client));
    if (!frame_is_control(frame) && opcode != (client->fragmented ? CONTINUATION : BINARY))
        die("connection %u: opcode %d came back", client_number(run, client), opcode);
    client->left = frame->length;
}

static void take_payload(struct run *run, struct client *client, const uint8_t *data, size_t size)
{
    if (frame_is_control(&client->frame)) {
        memcpy(client->control + client->frame.length - client->left, data, size);
        return;
    }
    if (!message_is_due(run, client) || client->matched + size > run->options->size)
        die("connection %u: more came back than was sent", client_number(run, client));
    if (memcmp(payload(run, client, client->got) + client->matched, data, size) != 0)
        die("connection %u: message %lu came back different", client_number(run, client),
            (unsigned long)client->got);
    client->matched += size;
}

static void end_message(struct run *run, struct client *client)
{
    if (!message_is_due(run, client) || client->matched != run->options->size)
        die("connection %u: message %lu came back cut short", client_number(run, client),
            (unsigned long)client->got);
    uint64_t asked_at = client->asked_at[client->got++ % run->options->in_flight];
    client->matched = 0;
    if (!run->mode->unasked)
        run->active--;
    if (run->phase > WARMING && run->now - asked_at > client->longest)
        client->longest = run->now - asked_at;
    run->mode->arrived(run, asked_at);
}

static void end_close(struct run *run, struct client *client)
{
    uint64_t code = client->frame.length < 2 ? 0 : big_endian(client->control, 2);
    if (client->stage != CLOSING || code != NORMAL_CLOSURE)
        die("connection %u: closed with code %lu", client_number(run, client), (unsigned long)code);
    shutdown(client->fd, SHUT_WR);
    client->stage = FINISHING;
}

static void send_pong(struct run *run, struct client *client)
{
    uint8_t frame[MAX_HEADER + MAX_CONTROL];
    size_t size = write_frame(run, frame, PONG, client->control, client->frame.length);
    client_write(run, client, frame, size);
}

/* Whether the frame completed a message. */
static bool end_frame(struct run *run, struct client *client)
{
    switch (frame_opcode(&client->frame)) {
    case CLOSE:
        end_close(run, client);
        return false;
    case PING:
        send_pong(run, client);
        return false;
    case PONG:
        return false;
    default:
        client->fragmented = !(client->frame.first & FIN);
        if (client->fragmented)
            return false;
        end_message(run, client);
        return true;
    }
}

static void take_frames(struct run *run, struct client *client, const uint8_t *data, size_t size)
{
    uint32_t messages = 0;
    while (size > 0) {
        if (client->left == 0) {
            size_t header = frame_decode(data, size, &client->frame);
            if (header == 0) {
                memcpy(client->carry, data, size);
                client->carried = size;
                break;
            }
            begin_frame(run, client);
            data += header;
            size -= header;
        }
        size_t part = client->left < size ? (size_t)client->left : size;
        take_payload(run, client, data, part);
        data += part;
        size -= part;
        client->left -= part;
        if (client->left == 0)
            messages += end_frame(run, client);
    }
    if (messages > 0)
        run->mode->answered(run, client, messages);
}

static void client_opened(struct run *run, struct client *client)
{
    client->stage = OPEN;
    run->opened++;
    run->active--;
    run->mode->opened(run, client);
}

static void read_head(struct run *run, struct client *client)
{
    size_t room = MAX_HEAD - client->head_size;
    ssize_t got = recv(client->fd, client->head + client->head_size, room, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        die("connection %u: ended in the handshake", client_number(run, client));
    client->head_size += (size_t)got;
    client->head[client->head_size] = '\0';
    const char *end = strstr(client->head, "\r\n\r\n");
    if (end == NULL && client->head_size == MAX_HEAD)
        die("connection %u: a head of more than %d bytes", client_number(run, client), MAX_HEAD);
    if (end == NULL)
        return;
    check_head(run, client);
    run->now = now_ns();
    record(run, &run->handshakes, client->dialled_at);
    client_opened(run, client);
    size_t head = (size_t)(end - client->head) + 4;
    take_frames(run, client, (uint8_t *)client->head + head, client->head_size - head);
}

static void end_connection(struct run *run, struct client *client)
{
    if (client->stage != FINISHING)
        die("connection %u: ended by the other side", client_number(run, client));
    run->now = now_ns();
    record(run, &run->cycles, client->dialled_at);
    close(client->fd);
    run->active--;
    run->mode->finished(run, client);
}

static void read_frames(struct run *run, struct client *client)
{
    uint8_t *data = run->in + MAX_HEADER;
    ssize_t got = recv(client->fd, data, READ_SIZE, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got < 0)
        die("connection %u: reading: %s", client_number(run, client), strerror(errno));
    if (got == 0) {
        end_connection(run, client);
        return;
    }
    run->now = now_ns();
    if (run->mode->received != NULL) {
        run->mode->received(run, client, data, (size_t)got);
        return;
    }
    size_t carried = client->carried;
    memcpy(data - carried, client->carry, carried);
    client->carried = 0;
    take_frames(run, client, data - carried, carried + (size_t)got);
}

static void client_ready(struct run *run, struct client *client, uint32_t events)
{
    if (client->stage == CONNECTING) {
        check_connected(run, client);
        if (run->mode->received == NULL) {
            client_request(run, client);
        } else {
            watch(run->epoll, WATCH_CHANGED, client->fd, EPOLLIN, client);
            client_opened(run, client);
        }
        return;
    }
    if (events & EPOLLOUT)
        client_flush(run, client);
    if (!(events & ~(uint32_t)EPOLLOUT))
        return;
    if (client->stage == UPGRADING)
        read_head(run, client);
    else
        read_frames(run, client);
}

/* All connections together */

void run_start(struct run *run, const struct options *options, const struct mode *mode)
{
    size_t frame_room = MAX_HEADER + options->size;
    *run = (struct run){
        .options = options,
        .mode = mode,
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .random = RANDOM_SEED,
        .clients = allocate(options->connections, sizeof(struct client)),
        .pattern = pattern_new(options->size),
        .in = allocate(MAX_HEADER + READ_SIZE, 1),
        .out_room = frame_room > OUT_ROOM ? frame_room : OUT_ROOM,
    };
    run->out = allocate(run->out_room, 1);
    for (uint32_t i = 0; i < options->connections; i++)
        run->clients[i].asked_at = allocate(options->in_flight, sizeof(uint64_t));
}

void run_free(struct run *run)
{
    for (uint32_t i = 0; i < run->options->connections; i++) {
        sink_free(&run->clients[i].out);
        free(run->clients[i].asked_at);
    }
    free(run->clients);
    free(run->pattern);
    free(run->in);
    free(run->out);
    close(run->epoll);
}

static void ready(struct run *run, const struct epoll_event *event)
{
    if (event->data.ptr == NULL)
        run->mode->alarm(run);
    else
        client_ready(run, event->data.ptr, event->events);
}

static void dial_more(struct run *run)
{
    while (run->dialled < run->options->connections && run->dialled < run->opened + DIALLING)
        client_dial(run, &run->clients[run->dialled++]);
}

void run_events(struct run *run)
{
    struct epoll_event events[256];
    uint64_t last = now_ns();
    while (!run->done) {
        dial_more(run);
        int count = epoll_wait(run->epoll, events, 256, 20);
        for (int i = 0; i < count; i++)
            ready(run, &events[i]);
        uint64_t now = now_ns();
        if (count > 0)
            last = now;
        if (run->active > 0 && now - last > STALL_NS)
            die("nothing came for 10 s, and %u answers are due", run->active);
        run->mode->tick(run);
    }
}

/* The measuring window */

static uint64_t nanoseconds(double seconds)
{
    return (uint64_t)(seconds * 1e9);
}

void window_open(struct run *run)
{
    run->phase = MEASURING;
    run->pushed = 0;
    memset(&run->round_trips, 0, sizeof run->round_trips);
    memset(&run->handshakes, 0, sizeof run->handshakes);
    memset(&run->cycles, 0, sizeof run->cycles);
    usage_read(&run->options->watched, &run->before);
    run->began = now_ns();
}

void window_close(struct run *run)
{
    run->phase = DRAINING;
    usage_read(&run->options->watched, &run->after);
    run->ended = now_ns();
}

void window_tick(struct run *run)
{
    uint64_t now = now_ns();
    if (run->phase == STARTING && run->opened >= run->options->connections) {
        run->phase = WARMING;
        run->until = now + nanoseconds(run->options->warmup);
    } else if (run->phase == WARMING && now >= run->until) {
        window_open(run);
        run->until = run->began + nanoseconds(run->options->seconds);
    } else if (run->phase == MEASURING && now >= run->until) {
        window_close(run);
    }
    run->done = run->phase == DRAINING && run->active == 0;
}

void latency_print(const char *name, const struct histogram *histogram)
{
    printf("\"%s\": {\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}, ", name,
           (double)histogram_at(histogram, 0.5) / 1e3, (double)histogram_at(histogram, 0.99) / 1e3,
           (double)histogram_at(histogram, 0.999) / 1e3, (double)histogram->highest / 1e3);
}

void window_print(const struct run *run, uint64_t messages)
{
    double seconds = (double)(run->ended - run->began) / 1e9;
    printf("\"mode\": \"%s\", \"messages\": %lu, \"seconds\": %.6f, \"rate\": %.1f, ",
           run->mode->name, (unsigned long)messages, seconds, (double)messages / seconds);
    usage_print(&run->options->watched, &run->before, &run->after);
}

/* Of each connection the longest: what a stall of some shows in. */
static void longest_print(const struct run *run)
{
    struct histogram longest = {0};
    for (uint32_t i = 0; i < run->options->connections; i++)
        histogram_add(&longest, run->clients[i].longest);
    latency_print("longest_us", &longest);
}

int run_round_trips(const struct options *options, const struct mode *mode)
{
    struct run run;
    run_start(&run, options, mode);
    run_events(&run);
    printf("{");
    latency_print("latency_us", &run.round_trips);
    longest_print(&run);
    window_print(&run, run.round_trips.total);
    printf("}\n");
    run_free(&run);
    return 0;
}
