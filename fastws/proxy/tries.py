"""Which peers were asked for an answer, and whether another may be."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from fastws.errors import Reject

if TYPE_CHECKING:
    from fastws.config.model import NextUpstream
    from fastws.upstream.peer import Peer

_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Tries:
    """The peers of one upstream that a request was sent to, or was to be, since ``now``.

    Times are the loop's, in seconds. ``following`` says when another peer is asked (nginx:
    proxy_next_upstream, proxy_next_upstream_tries, proxy_next_upstream_timeout).
    """

    __slots__ = ("_following", "_since", "peers")

    def __init__(self, following: NextUpstream, now: float) -> None:
        self._following = following
        self._since = now
        self.peers: list[Peer] = []  # in the order in which they were asked

    def allow_another(self, condition: str, now: float) -> bool:
        """Whether one more may be asked; ``condition`` is nginx's word for the last failure."""
        following = self._following
        return (
            condition in following.on
            and not 0 < following.tries <= len(self.peers)
            and not 0 < following.timeout <= now - self._since
        )

    def unreachable(self, error: OSError) -> Reject:
        """Return what a client is told of the failure to connect to the last of them.

        That is a 502, 504 if it took too long, and 503 if the fault is ours.
        """
        if is_ours(error):
            return Reject(503, "The proxy is out of descriptors; try again in a while.")
        tried = len(self.peers)
        which = "The upstream" if tried == 1 else f"The last of {tried} upstream servers tried"
        # The system's words for it: the error's own may hold an address, which is not the client's.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror or str(error)
        status = 504 if isinstance(error, TimeoutError) else 502
        return Reject(status, f"{which} could not be reached: {why}.")


def is_ours(error: OSError) -> bool:
    """Whether no connection could be made for want of descriptors, which is no peer's failure."""
    return error.errno in _NO_DESCRIPTORS


def condition_of(reject: Reject) -> str:
    """Return nginx's word for the failure of a peer that gave no answer."""
    return "timeout" if reject.status == 504 else "error"
