"""Sockets as C sees them: what is set on them, asked of them, and sent through them.

Leaf functions without objects. Descriptors are non-blocking.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t


cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET
        AF_INET6
        MSG_DONTWAIT
        MSG_MORE
        MSG_NOSIGNAL
        SHUT_RDWR
        SHUT_WR
        SOCK_STREAM
        SOL_SOCKET
        SO_ERROR
        SO_KEEPALIVE
    ctypedef unsigned int socklen_t
    struct sockaddr:
        unsigned short sa_family
    struct sockaddr_storage:
        unsigned short ss_family
    Py_ssize_t c_recv "recv"(int fd, void* data, size_t size, int flags)
    Py_ssize_t c_send "send"(int fd, const void* data, size_t size, int flags)
    int c_shutdown "shutdown"(int fd, int how)
    int c_socket "socket"(int family, int kind, int protocol)
    int c_connect "connect"(int fd, const sockaddr* address, socklen_t size)
    int getpeername(int fd, sockaddr* address, socklen_t* size)
    int getsockname(int fd, sockaddr* address, socklen_t* size)
    int getsockopt(int fd, int level, int name, void* value, socklen_t* size)
    int setsockopt(int fd, int level, int name, const void* value, socklen_t size)

cdef extern from "<netinet/in.h>" nogil:
    enum:
        IPPROTO_TCP
        INET6_ADDRSTRLEN
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr_in:
        unsigned short sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_port
        in6_addr sin6_addr

cdef extern from "<arpa/inet.h>" nogil:
    const char* inet_ntop(int family, const void* address, char* text, socklen_t size)
    unsigned short ntohs(unsigned short port)

cdef extern from "<netinet/tcp.h>" nogil:
    """
    #ifdef TCP_KEEPIDLE
    #define FASTWS_KEEPIDLE TCP_KEEPIDLE
    #else  /* macOS */
    #define FASTWS_KEEPIDLE TCP_KEEPALIVE
    #endif
    #ifndef TCP_USER_TIMEOUT
    #define TCP_USER_TIMEOUT -1
    #endif
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    """
    enum:
        FASTWS_KEEPIDLE
        TCP_KEEPINTVL
        TCP_NODELAY
        TCP_USER_TIMEOUT

cdef extern from "<poll.h>" nogil:
    enum:
        POLLERR
        POLLHUP
        POLLIN
        POLLOUT
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd* fds, unsigned long count, int timeout)

cdef extern from "<sys/ioctl.h>" nogil:
    enum:
        TIOCOUTQ        # SIOCOUTQ (tcp(7), unix(7)) under its portable name
    int ioctl(int fd, unsigned long request, int* value)

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)
    int c_dup "dup"(int fd)


cdef enum:
    # A silent peer is asked after a minute, and then four times a minute.
    KEEPALIVE_IDLE = 60
    KEEPALIVE_INTERVAL = 15
    # So many seconds later than a tunnel the system gives up a peer that takes nothing: it would
    # only say that the connection is lost, and not why.
    LATER = 2


cdef inline void set_option(int fd, int level, int name, int value) noexcept nogil:
    # Without effect on a Unix socket, which needs none of this.
    setsockopt(fd, level, name, &value, sizeof(value))


cdef inline void tune(int fd, double stall) noexcept nogil:
    """Small messages leave at once, and a peer that vanished is noticed: little more than `stall`
    seconds without an answer are its end. What is accepted from a listening socket inherits all
    this."""
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1)
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    set_option(fd, IPPROTO_TCP, FASTWS_KEEPIDLE, KEEPALIVE_IDLE)
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
    if TCP_USER_TIMEOUT != -1 and stall:
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                   <int> min((stall + LATER) * 1000, 2.0 ** 31 - 1))


cdef inline Py_ssize_t send_some(int fd, const uint8_t* data, size_t size,
                                 int flags=0) noexcept nogil:
    """Send what the socket takes now; how much that was, or -1 with `errno` if it failed."""
    cdef Py_ssize_t sent
    while True:
        sent = c_send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL | flags)
        if sent >= 0:
            return sent
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            return -1


cdef inline Py_ssize_t unsent(int fd) noexcept nogil:
    """The bytes that the peer has not taken out of the system's buffer."""
    cdef int count = 0
    ioctl(fd, TIOCOUTQ, &count)
    return count


cdef inline bint is_reset(int fd) noexcept nogil:
    """Is the connection over in both directions, or broken? Where nobody reads, nobody is told."""
    cdef pollfd probe
    probe.fd = fd
    probe.events = 0
    return poll(&probe, 1, 0) > 0 and probe.revents & (POLLERR | POLLHUP)
