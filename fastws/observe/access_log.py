"""What happened to each connection: one line when it is refused, or opens, and one when it ends."""

from typing import Protocol

from fastws.observe.log import Log

# By `fastws._relay.Ending`; the last one is for the tunnels of a worker that is gone.
ENDINGS = (
    "open",
    "client",
    "upstream",
    "client_lost",
    "upstream_lost",
    "rule",
    "idle",
    "stall",
    "shutdown",
    "unanswered",
    "drain",
    "worker_lost",
)
WORKER_LOST = len(ENDINGS) - 1

# RFC 6455 section 7.1.5: there was no close frame.
_ABNORMAL_CLOSURE = 1006


class Counts(Protocol):
    """What went through one direction of a tunnel."""

    @property
    def forwarded(self) -> int:
        """In bytes."""

    @property
    def messages(self) -> int:
        """Whole ones."""


class Tallies(Protocol):
    """Who counts what came of connections."""

    def answered(self, status: int) -> None:
        """Count an answer."""

    def tls_failed(self) -> None:
        """Count a connection on which TLS was not agreed on."""


class Report(Protocol):
    """What a tunnel tells of itself when it is over."""

    @property
    def ending(self) -> int:
        """Why, as `fastws._relay.Ending` has it."""

    @property
    def code(self) -> int:
        """The close code."""

    @property
    def reason(self) -> bytes:
        """The close reason."""

    @property
    def upward(self) -> Counts:
        """From the client."""

    @property
    def downward(self) -> Counts:
        """To the client."""


class AccessLog:
    """Writes to ``log``: what is as it should be at level info, refusals at warning.

    Anybody can connect and say nothing or nonsense, and many do: that is at level debug.

    ``counts`` is told of answers too, but for that of an opening handshake that succeeds. ``via``
    is the address of the connection, where a proxy that is trusted came for ``client``.
    """

    def __init__(self, log: Log, counts: Tallies) -> None:
        self._log = log
        self._counts = counts

    def tls_failed(self, *, client: str, door: str, reason: str) -> None:
        """Log a connection that ended before it was one for TLS."""
        self._counts.tls_failed()
        self._log.debug("tls_failed", client=client, listener=door, reason=reason)

    def refused(
        self,
        *,
        client: str,
        via: str = "",
        target: bytes,
        host: bytes,
        status: int,
        reason: str,
    ) -> None:
        """Log a request that became no tunnel, with the status that the client got."""
        self._counts.answered(status)
        self._log.warning(
            "handshake_refused",
            client=client,
            **_by_way_of(via),
            host=host,
            target=target,
            status=status,
            reason=reason,
        )

    def request(
        self,
        *,
        client: str,
        via: str = "",
        method: bytes,
        target: bytes,
        host: bytes,
        status: int,
        upstream: object,
        bytes_in: int,
        bytes_out: int,
        duration: float,
        ended_by: str,
        reason: str,
    ) -> None:
        """Log a plain request that is over.

        The bytes are those of the bodies, ``status`` is what the client got, and ``reason`` why it
        was we who answered, or empty.
        """
        self._counts.answered(status)
        log = self._log.warning if reason else self._log.info
        if not self._log.enabled("warning" if reason else "info"):
            return
        log(
            "request",
            client=client,
            **_by_way_of(via),
            host=host,
            method=method,
            target=target,
            status=status,
            upstream=str(upstream),
            ended_by=ended_by,
            reason=reason,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            duration=round(duration, 3),
        )

    def opened(
        self,
        *,
        number: int,
        client: str,
        via: str = "",
        target: bytes,
        host: bytes,
        upstream: object,
        protocol: bytes,
    ) -> None:
        """Log a tunnel that opens; ``protocol`` is the subprotocol agreed on, or empty."""
        if not self._log.enabled("info"):
            return
        self._log.info(
            "tunnel_opened",
            id=number,
            client=client,
            **_by_way_of(via),
            host=host,
            target=target,
            upstream=str(upstream),
            protocol=protocol,
        )

    def closed(
        self,
        *,
        number: int,
        client: str,
        via: str = "",
        upstream: object,
        duration: float,
        report: Report,
    ) -> None:
        """Log a tunnel that is over; *in* is from the client, *out* is to it."""
        if not self._log.enabled("info"):
            return
        self._log.info(
            "tunnel_closed",
            id=number,
            client=client,
            **_by_way_of(via),
            upstream=str(upstream),
            ended_by=ENDINGS[report.ending],
            code=report.code,
            reason=report.reason,
            bytes_in=report.upward.forwarded,
            bytes_out=report.downward.forwarded,
            messages_in=report.upward.messages,
            messages_out=report.downward.messages,
            duration=round(duration, 3),
        )


def _by_way_of(via: str) -> dict[str, str]:
    return {"via": via} if via else {}


def worker_lost(log: Log, *, number: int, client: str, upstream: str, duration: float) -> None:
    """Log a tunnel whose worker died: nobody knows any more what went through it."""
    log.info(
        "tunnel_closed",
        id=number,
        client=client,
        upstream=upstream,
        ended_by=ENDINGS[WORKER_LOST],
        code=_ABNORMAL_CLOSURE,
        reason="",
        duration=round(duration, 3),
    )
