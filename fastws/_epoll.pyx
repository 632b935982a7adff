"""The epoll driver: bare descriptors, watched by an epoll instance of our own, which the loop
watches through its one descriptor.

For kernels that have no io_uring, or do not allow it.
"""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport errno
from libc.stdint cimport uint32_t

from fastws._driver cimport Driver
from fastws._net cimport c_close
from fastws._sockets cimport SocketLeg, Sockets, failure


cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_DEL
        EPOLL_CTL_MOD
        EPOLLERR
        EPOLLHUP
        EPOLLIN
        EPOLLOUT
    ctypedef union epoll_data_t:
        void* ptr
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int fd, epoll_event* event)
    int epoll_wait(int epoll, epoll_event* events, int size, int timeout)


# So many descriptors get their turn before others of the loop do.
cdef enum:
    EVENTS = 128


@cython.final
cdef class Epoll(Sockets):
    """Sockets over epoll(7). Raises OSError where there is none."""
    cdef int fd

    name = "epoll"

    def __cinit__(self):
        self.fd = -1

    def __init__(self, Driver driver not None):
        super().__init__(driver)
        self.fd = epoll_create1(EPOLL_CLOEXEC)
        if self.fd < 0:
            raise failure(errno)
        driver.loop.add_reader(self.fd, self.turn)

    def __dealloc__(self):
        if self.fd != -1:
            c_close(self.fd)

    cdef SocketLeg _leg(self):
        return EpollLeg.__new__(EpollLeg)

    cdef int _turn(self) except -1:
        cdef epoll_event events[EVENTS]
        cdef int i, count = epoll_wait(self.fd, events, EVENTS, 0)
        cdef EpollLeg leg
        for i in range(count):
            leg = <EpollLeg> events[i].data.ptr
            try:
                leg.happened(events[i].events)
            except Exception as error:
                self._fault(leg, error)
        return 0


@cython.final
@cython.no_gc
cdef class EpollLeg(SocketLeg):
    cdef uint32_t _events          # that are watched
    cdef bint _watched

    cdef int happened(self, uint32_t events) except -1:
        if events & (EPOLLERR | EPOLLHUP) and not self._events:
            # Nobody reads and nobody writes: there is nobody else to find out. What came before
            # is still to be read, if reading only pauses.
            return self.drop() if self.eof else self._ignore()
        if self._events & EPOLLOUT and events & (EPOLLOUT | EPOLLERR | EPOLLHUP):
            self._set(self._events & ~<uint32_t> EPOLLOUT)
            self.writable()
        if self._events & EPOLLIN and not self.closed:
            self.readable()
        return 0

    cdef int _set(self, uint32_t events) except -1:
        cdef epoll_event event
        cdef int operation = EPOLL_CTL_MOD if self._watched else EPOLL_CTL_ADD
        if self.resting or (events == self._events and self._watched):
            return 0
        event.events = self._events = events
        event.data.ptr = <void*> self
        if epoll_ctl((<Epoll> self.sockets).fd, operation, self.fd, &event) != 0:
            raise failure(errno)
        if not self._watched:
            self._watched = True
            Py_INCREF(self)    # for the pointer that the kernel has now
        return 0

    # a tunnel that moves

    cdef int rest(self) except -1:
        SocketLeg.rest(self)
        return self._ignore()

    cdef int _ignore(self) except -1:
        """Hear of nothing, which no empty set of events asks for."""
        # Closing the descriptor would do it, if there were no duplicate of it anywhere.
        self._events = 0
        if self._watched:
            epoll_ctl((<Epoll> self.sockets).fd, EPOLL_CTL_DEL, self.fd, NULL)
            self._watched = False
            Py_DECREF(self)
        return 0

    # hooks

    cdef int _watch(self) except -1:
        return self._set(self._events | EPOLLIN)

    cdef int _unwatch(self) except -1:
        return self._set(self._events & ~<uint32_t> EPOLLIN)

    cdef int _await_room(self) except -1:
        return self._set(self._events | EPOLLOUT)

    cdef int _let_go(self) except -1:
        self.sockets.end(self)
        return self._ignore()
