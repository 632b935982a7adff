"""Passive health: what is learnt about a peer from the connections that are made anyway.

A peer that failed ``max_fails`` times is left alone for ``fail_timeout``; then one connection in
each ``fail_timeout`` goes there, until one of them is answered. This is nginx's rule, and this
module the only writer of health.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastws.upstream.peer import Peer


def is_trusted(peer: Peer) -> bool:
    """Whether a peer that has failed may have a connection again."""
    state = peer.state
    return state.failures < peer.max_fails or monotonic_ns() - state.checked_at > peer.fail_timeout


def picked(peer: Peer) -> None:
    """Note that a peer that has failed gets a connection: after a while, this is its trial."""
    state = peer.state
    now = monotonic_ns()
    if now - state.checked_at > peer.fail_timeout:
        state.checked_at = now


def failed(peer: Peer) -> None:
    """Note a failure: the peer was not reached, or did not answer."""
    if not peer.max_fails:
        return
    state = peer.state
    state.count_failure()
    state.failed_at = state.checked_at = monotonic_ns()
    state.gain = max(0, state.gain - peer.weight // peer.max_fails)


def answered(peer: Peer) -> None:
    """Note an answer: a trial that was begun after the last failure has succeeded."""
    state = peer.state
    if state.failed_at < state.checked_at:
        state.failures = 0
