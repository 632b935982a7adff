"""Tunnels that come from another process: their passages go on here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastws.errors import FastwsError
from fastws.proxy.passage import Passage
from fastws.upstream.peer import Peer

if TYPE_CHECKING:
    from fastws.proxy.context import Context
    from fastws.proxy.ticket import Ticket


class Arrivals:
    """Makes the passages of those that one process gives."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._peers: dict[int, Peer] = {}

    def passage(self, ticket: Ticket) -> Passage:
        """Count the tunnel in; it keeps the server that it has, whatever is configured here.

        Raises FastwsError where none is taken.
        """
        if self._context.leaving or self._context.full:
            raise FastwsError("no more tunnels are taken here")
        peer = self._peers.get(ticket.peer)
        if peer is None:
            state = self._context.counts.peer(ticket.peer)
            peer = self._peers[ticket.peer] = Peer(ticket.address, state)
        return Passage.arrived(self._context, ticket, peer)
