"""What is remembered of a tunnel while it is open, for the lines it gets in the log."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fastws.proxy.late import finish
from fastws.proxy.ticket import Ticket, Traffic
from fastws.upstream import lease as leases

if TYPE_CHECKING:
    from fastws.observe.access_log import Report
    from fastws.protocol.handshake import UpgradeRequest, UpgradeResponse
    from fastws.proxy.context import Context
    from fastws.proxy.trace import Record
    from fastws.upstream.lease import Lease
    from fastws.upstream.peer import Peer


class Arrival(NamedTuple):
    """Who came: the client, the connection's address if that is another's, and the listener."""

    client: str
    via: str
    door: str


class Passage:
    """One client's way through the proxy to one peer."""

    __slots__ = (
        "_client",
        "_context",
        "_lease",
        "_number",
        "_place",
        "_record",
        "_since",
        "_via",
        "door",
    )

    def __init__(
        self, context: Context, arrival: Arrival, lease: Lease, record: Record | None = None
    ) -> None:
        self._client, self._via, self.door = arrival
        self._context = context
        self._lease = lease
        self._record = record  # what access logs want to know of it
        self._number = context.board.next_number()
        self._since = context.loop.time()
        self._place = context.counts.tunnel_opened(
            self._number, lease.peer.state.number, arrival.client
        )

    @classmethod
    def arrived(cls, context: Context, ticket: Ticket, peer: Peer) -> Passage:
        """Count in a tunnel that comes from another process."""
        self = cls.__new__(cls)
        self.door = ticket.door
        self._context = context
        self._client = ticket.client
        self._via = ticket.via
        self._lease = leases.held(peer)
        self._number = ticket.number
        self._record = ticket.record
        self._since = context.loop.time() - ticket.age
        self._place = context.counts.tunnel_arrived(
            ticket.number, ticket.peer, ticket.client, ticket.age, *ticket.traffic
        )
        context.counts.connection_arrived()
        return self

    def ticket(self, traffic: Traffic) -> Ticket:
        """Say what another process has to know to go on with the tunnel."""
        peer = self._lease.peer
        age = self._context.loop.time() - self._since
        return Ticket(
            self._number,
            self._client,
            self.door,
            peer.state.number,
            peer.address,
            age,
            traffic,
            self._via,
            self._record,
        )

    def left(self, traffic: Traffic) -> None:
        """Count out a tunnel that goes on in another process."""
        self._context.counts.tunnel_left(self._place, *traffic)
        self._lease.release()
        self._context.closed()

    @property
    def peer(self) -> Peer:
        """Where it leads to."""
        return self._lease.peer

    def announce(self, request: UpgradeRequest, agreed: UpgradeResponse) -> None:
        """Log that the tunnel opens."""
        log = self._context.access_log
        if not log.thorough:
            return
        log.opened(
            number=self._number,
            client=self._client,
            via=self._via,
            target=request.target,
            host=request.host,
            upstream=self._lease.peer,
            protocol=agreed.protocol or b"",
        )

    def over(self, report: Report) -> None:
        """Log that both connections are gone, and count it out, on both sides."""
        upward, downward = report.upward, report.downward
        self._context.counts.tunnel_ended(
            self._place,
            report.ending,
            upward.forwarded,
            downward.forwarded,
            upward.messages,
            downward.messages,
        )
        if self._context.access_log.thorough:
            self._log_end(report)
        if self._record:
            self._write_lines(self._record, upward.forwarded, downward.forwarded)
        self._lease.release()
        self._context.closed()

    def _log_end(self, report: Report) -> None:
        self._context.access_log.closed(
            number=self._number,
            client=self._client,
            via=self._via,
            upstream=self._lease.peer,
            duration=self._context.loop.time() - self._since,
            report=report,
        )

    def _write_lines(self, record: Record, upward: int, downward: int) -> None:
        """Write the lines in access logs; the bytes are those of frames."""
        record.trace.whole = True
        record.trace.end(upward, downward, self._context.loop.time())
        for path, pieces in record.lines:
            self._context.log_files.write(path, partial(finish, pieces, record.trace))
