"""Messages between the supervisor and a worker, with descriptors: one datagram each."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from typing import IO

from fastws.errors import FastwsError

# Of one message. What is larger goes on a sheet, whose descriptor is sent.
_MOST_BYTES = 64 * 1024

# Descriptors with one message (SCM_MAX_FD, less some).
MOST_DESCRIPTORS = 200


class Channel:
    """One end of a pair of connected sockets.

    ``receive(data, descriptors)`` is called for each message, and owns the descriptors; ``ended()``
    once, when the other end is gone.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        receive: Callable[[bytes, list[int]], None],
        ended: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._receive = receive
        self._ended = ended
        sock.setblocking(False)
        loop.add_reader(sock, self._read)

    def send(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a message; the descriptors stay open here.

        Raises OSError: BlockingIOError when the other end has long taken none, and what else
        sendmsg(2) has to say.
        """
        socket.send_fds(self._socket, [data], descriptors)

    def close(self) -> None:
        """Hear nothing more."""
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _read(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, _MOST_BYTES, MOST_DESCRIPTORS)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if data:
            self._receive(data, descriptors)
        else:
            self.close()
            self._ended()


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def sheet(data: bytes) -> IO[bytes]:
    """Return a file without a name that holds ``data``. Raises FastwsError if there can be none."""
    try:
        file = _unnamed()
        try:
            file.write(data)
            file.flush()
        except OSError:
            file.close()
            raise
    except OSError as error:
        raise FastwsError(f"cannot write a temporary file: {error.strerror}") from error
    return file


def _unnamed() -> IO[bytes]:
    """Open one in memory where the system can, for a disk may be full."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("fastws"), "w+b")  # noqa: PTH123 - the caller's
    return tempfile.TemporaryFile()
