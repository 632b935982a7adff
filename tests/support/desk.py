"""A worker without a loop and without sockets: what it would send, dial, watch and log.

A test with it reads as a transcript: bytes that come in on one connection, bytes that went out on
the other. Time passes when the test says so.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from support.upstreams import peers

from fastws._board import Board
from fastws._pipe import Rules
from fastws.config.model import Limits, Timeouts
from fastws.proxy.decision import Forward, Reply
from fastws.proxy.downstream import Downstream
from fastws.upstream.lease import take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastws.proxy.decision import Incoming, Visit
    from fastws.proxy.watchdog import Watched
    from fastws.upstream.connector import Caller
    from fastws.upstream.lease import Lease
    from fastws.upstream.peer import Peer


class FakeTransport(asyncio.Transport):
    """A transport of the loop: what was written to it, and what else it was told, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[bytes | str] = []
        self.queued = 0  # of what was written, as far as the test says
        self.protocol: Any = None

    @property
    def sent(self) -> bytes:
        return b"".join(each for each in self.said if isinstance(each, bytes))

    def take(self) -> bytes:
        """What was written since the last time."""
        sent, self.said = self.sent, [each for each in self.said if isinstance(each, str)]
        return sent

    @property
    def words(self) -> list[str]:
        return [each for each in self.said if isinstance(each, str)]

    def write(self, data: Any) -> None:
        self.said.append(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.said.append("eof")

    def pause_reading(self) -> None:
        self.said.append("pause")

    def resume_reading(self) -> None:
        self.said.append("resume")

    def close(self) -> None:
        self.said.append("close")

    def abort(self) -> None:
        self.said.append("abort")

    def get_write_buffer_size(self) -> int:
        return self.queued

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name != "socket":
            return default
        return SimpleNamespace(fileno=lambda: -1)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


class Clock:
    """A watchdog and a loop whose time stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.deadlines: dict[Watched, float] = {}
        self.soon: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Any) -> None:
        self.soon.append(callback)

    def run(self) -> None:
        """What was to be called soon, and what that leaves."""
        while self.soon:
            self.soon.pop(0)()

    def watch(self, watched: Watched, seconds: float) -> None:
        self.deadlines[watched] = self.now + seconds

    def forget(self, watched: Watched) -> None:
        self.deadlines.pop(watched, None)

    def left(self, watched: Watched) -> float | None:
        """Seconds until its time is up, if it is watched."""
        deadline = self.deadlines.get(watched)
        return None if deadline is None else deadline - self.now

    def expire(self, watched: Watched) -> None:
        """Let its time be up."""
        self.now = max(self.now, self.deadlines.pop(watched))
        watched.expired()


class Connector:
    """Who was dialled, the last one last, and on whose behalf."""

    def __init__(self) -> None:
        self.dialled: list[Peer] = []
        self.refusing: list[OSError] = []  # raised at once by the next attempts
        self.caller: Caller
        self.aborted = 0

    def connect(self, peer: Peer, caller: Caller) -> Connector:
        self.dialled.append(peer)
        self.caller = caller
        if self.refusing:
            raise self.refusing.pop(0)
        return self

    def abort(self) -> None:
        self.aborted += 1

    def made(self) -> FakeTransport:
        """Let the last attempt be a connection."""
        transport = FakeTransport()
        transport.protocol = self.caller
        self.caller.connection_made(transport)
        return transport


class Idle:
    """Connections that wait."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Peer, FakeTransport]] = []

    def take(self, peer: Peer) -> FakeTransport | None:
        for each in self.waiting:
            if each[0] is peer:
                self.waiting.remove(each)
                return each[1]
        return None

    def put(self, peer: Peer, transport: FakeTransport) -> None:
        self.waiting.append((peer, transport))


class Group:
    """An upstream of as many servers, asked in their order."""

    def __init__(self, servers: int = 1) -> None:
        self.name = "group"
        self.peers = peers(*[1] * servers)
        self.idle = Idle()

    def lease(self, tried: Sequence[Peer], client: object) -> Lease | None:  # noqa: ARG002
        for peer in self.peers:
            if peer not in tried and (lease := take(peer)):
                return lease
        return None

    def fields(self, peer: Peer) -> bytes:  # noqa: ARG002
        return b""

    @property
    def connections(self) -> list[int]:
        return [peer.state.connections for peer in self.peers]

    @property
    def failures(self) -> list[int]:
        return [peer.state.failures for peer in self.peers]


class Log:
    """The access log's records."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def request(self, **fields: Any) -> None:
        self.records.append({"event": "request", **fields})

    def refused(self, **fields: Any) -> None:
        self.records.append({"event": "refused", **fields})


class Desk:
    """What connections of a worker share, and one upstream to which all requests go."""

    def __init__(
        self,
        decision: Forward | Reply | Exception | None = None,
        *,
        servers: int = 1,
        page: bytes | None = None,
        **timeouts: float,
    ) -> None:
        self.group = Group(servers)
        self.timeouts = Timeouts(**timeouts)
        self.limits = Limits()
        self.decision = decision or self.forward()
        self.visiting: Visit | None = None  # what stands for each request
        self.settings = SimpleNamespace(
            limits=self.limits,
            timeouts=self.timeouts,
            page=page,
            routes=self,
            trusts=lambda _: False,
            client=lambda _: "",
        )
        self.loop = self.watchdog = self.clock = Clock()
        self.connector = Connector()
        self.access_log = Log()
        self.idle: set[Downstream] = set()
        self.counts = Board(1, 1, 0).worker(0)
        self.draining = self.leaving = self.full = False
        self.connections = 0

    def forward(self, **fields: Any) -> Forward:
        fields.setdefault("upstream", self.group)
        return Forward(rules=Rules(), timeouts=self.timeouts, **fields)

    def decide(self, incoming: Incoming) -> Forward | Reply:
        incoming.visit = self.visiting
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision

    def visit(self, incoming: object) -> Visit | None:  # noqa: ARG002
        return self.visiting

    def rests(self, downstream: Downstream) -> None:
        self.idle.add(downstream)

    def works(self, downstream: Downstream) -> None:
        self.idle.discard(downstream)

    def opened(self) -> None:
        self.connections += 1

    def closed(self) -> None:
        self.connections -= 1

    def accept(self, *, tls: bool = False) -> Client:
        return Client(self, tls=tls)

    @property
    def record(self) -> dict[str, Any]:
        """The one record of the log."""
        (record,) = self.access_log.records
        return record


class Client:
    """A client's connection: what it sends, and what it gets."""

    def __init__(self, desk: Desk, *, tls: bool = False) -> None:
        self.desk = desk
        self.transport = FakeTransport()
        self.protocol = Downstream(desk, "tcp://test", tls=tls)  # type: ignore[arg-type]
        self.protocol.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        self.protocol.data_received(data)
        self.desk.clock.run()

    def got(self) -> bytes:
        """What came since the last time."""
        return self.transport.take()

    def status(self) -> int:
        return int(self.got().split(b" ")[1])

    def half_close(self) -> bool | None:
        return self.protocol.eof_received()

    def go(self) -> None:
        """Be gone."""
        self.protocol.connection_lost(None)

    @property
    def lingers(self) -> bool:
        """Whether the connection is being ended behind its last answer."""
        return "eof" in self.transport.words or "close" in self.transport.words
