#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Noreturn void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("wsload: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("out of memory");
    return memory;
}

uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint16_t port_number(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || port > 65535)
        die("%s is not a port", text);
    return (uint16_t)port;
}

void raise_descriptor_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    return fd;
}

static void switch_on(int fd, int level, int option)
{
    if (setsockopt(fd, level, option, &(int){1}, sizeof(int)) < 0)
        die("setsockopt: %s", strerror(errno));
}

int listen_on(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = new_socket();
    switch_on(fd, SOL_SOCKET, SO_REUSEADDR);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0)
        die("listening on port %u: %s", port, strerror(errno));
    return fd;
}

uint16_t local_port(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        die("getsockname: %s", strerror(errno));
    return ntohs(address.sin_port);
}

int accept_next(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
    else if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept: %s", strerror(errno));
    return fd;
}

int dial(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = new_socket();
    switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        die("connecting to port %u: %s", port, strerror(errno));
    return fd;
}

void watch(int epoll, enum watching how, int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};
    if (epoll_ctl(epoll, how == WATCH_NEW ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

ssize_t send_some(int fd, const uint8_t *data, size_t size)
{
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static void sink_keep(struct sink *sink, const uint8_t *data, size_t size)
{
    size_t waiting = sink->end - sink->at;
    if (waiting + size > sink->room) {
        sink->room = waiting + size;
        uint8_t *grown = malloc(sink->room);
        if (grown == NULL)
            die("out of memory");
        if (waiting > 0)
            memcpy(grown, sink->data + sink->at, waiting);
        free(sink->data);
        sink->data = grown;
    } else if (waiting > 0) {
        memmove(sink->data, sink->data + sink->at, waiting);
    }
    memcpy(sink->data + waiting, data, size);
    sink->at = 0;
    sink->end = waiting + size;
}

bool sink_write(struct sink *sink, int fd, const uint8_t *data, size_t size)
{
    ssize_t sent = 0;
    if (!sink_pending(sink)) {
        sent = send_some(fd, data, size);
        if (sent < 0)
            return false;
    }
    if ((size_t)sent < size)
        sink_keep(sink, data + sent, size - (size_t)sent);
    return true;
}

bool sink_flush(struct sink *sink, int fd)
{
    ssize_t sent = send_some(fd, sink->data + sink->at, sink->end - sink->at);
    if (sent < 0)
        return false;
    sink->at += (size_t)sent;
    return true;
}

void sink_free(struct sink *sink)
{
    free(sink->data);
    *sink = (struct sink){0};
}

const char *head_value(const char *head, const char *name)
{
    const char *found = strcasestr(head, name);
    if (found == NULL)
        return NULL;
    found += strlen(name);
    return found + strspn(found, " \t");
}
