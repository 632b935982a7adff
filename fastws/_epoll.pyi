"""The epoll driver: bare descriptors, watched by an epoll instance of our own."""

from typing import final

from fastws._sockets import SocketLeg, Sockets

@final
class Epoll(Sockets):
    """Sockets over epoll(7). Raises OSError where there is none."""

@final
class EpollLeg(SocketLeg):
    """One connection that epoll watches."""
