"""What an exchange makes of a peer's connection, and tells its session."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest
from support.desk import Connector, FakeTransport
from support.upstreams import peers

from fastws.config.model import Limits
from fastws.proxy.exchange import Exchange

if TYPE_CHECKING:
    from fastws.errors import Reject
    from fastws.protocol.head import ResponseHead

(PEER,) = peers(1)
ASKED = b"GET / HTTP/1.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


class Session:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def connected(self) -> None:
        self.told.append("connected")

    def unconnected(self, error: OSError) -> None:
        self.told.append(error)

    def unanswered(self, reject: Reject) -> None:
        self.told.append(("unanswered", reject.status, reject.reason))

    def garbled(self, reject: Reject) -> None:
        self.told.append(("garbled", reject.status))

    def interim(self, response: ResponseHead) -> None:
        self.told.append(("interim", response.status))

    def answered(self, response: ResponseHead, rest: bytes) -> None:
        self.told.append(("answered", response.status, rest))

    def upstream_full(self) -> None:
        self.told.append("full")

    def upstream_drained(self) -> None:
        self.told.append("drained")


@pytest.fixture
def session() -> Session:
    return Session()


def exchange(session: Session, *, interim: bool = True, head_bytes: int = 65536) -> Exchange:
    limits = Limits(head_bytes=head_bytes)
    return Exchange(session, limits, ASKED, interim=interim)  # type: ignore[arg-type]


def connected(session: Session, **options: Any) -> tuple[Exchange, FakeTransport]:
    made = exchange(session, **options)
    transport = FakeTransport()
    made.connection_made(transport)
    return made, transport


def test_the_request_goes_out_before_the_session_hears_of_a_connection(session: Session) -> None:
    asking = exchange(session)
    connector = Connector()
    asking.connect(connector, PEER)  # type: ignore[arg-type]
    assert (connector.dialled, asking.connected, session.told) == ([PEER], False, [])
    transport = connector.made()
    assert (transport.sent, asking.connected, session.told) == (ASKED, True, ["connected"])


def test_a_failure_at_once_is_the_callers(session: Session) -> None:
    connector = Connector()
    connector.refusing = [ConnectionRefusedError()]
    with pytest.raises(ConnectionRefusedError):
        exchange(session).connect(connector, PEER)  # type: ignore[arg-type]
    assert session.told == []


def test_a_failure_later_is_told(session: Session) -> None:
    error = OSError("no")
    exchange(session).connect_failed(error)
    assert session.told == [error]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_interim_answers_and_the_last_however_they_are_split(session: Session, size: int) -> None:
    asking, _ = connected(session)
    data = HINTS + HINTS + OK
    for at in range(0, len(data), size):
        asking.data_received(data[at : at + size])
    asking.data_received(b"late")  # is no longer this protocol's
    interim = ("interim", 103)
    assert session.told == ["connected", interim, interim, ("answered", 200, b"")]


def test_what_came_behind_the_head_is_handed_over(session: Session) -> None:
    connected(session)[0].data_received(HINTS + OK + b"ok")
    assert session.told[-1] == ("answered", 200, b"ok")


def test_interim_answers_nobody_wants_are_passed_over(session: Session) -> None:
    connected(session, interim=False)[0].data_received(HINTS + OK)
    assert session.told == ["connected", ("answered", 200, b"")]


def test_a_switch_of_protocols_is_an_answer(session: Session) -> None:
    connected(session)[0].data_received(b"HTTP/1.1 101 Yes\r\n\r\nhello")
    assert session.told[-1] == ("answered", 101, b"hello")


def test_what_cannot_be_read_is_told(session: Session) -> None:
    connected(session)[0].data_received(b"SSH-2.0-OpenSSH\r\n")
    assert session.told == ["connected", ("garbled", 502)]


def test_endless_interim_answers_come_to_the_limit_of_a_head(session: Session) -> None:
    asking, _ = connected(session, head_bytes=1000)
    for _ in range(1000):
        asking.data_received(HINTS)
        if session.told[-1] == ("garbled", 502):
            break
    assert session.told.count(("interim", 103)) == 1000 // len(HINTS)


RESET = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


@pytest.mark.parametrize(
    ("came", "error", "reason"),
    [
        (b"", None, "no answer; it closed the connection."),
        (OK[:10], None, "no whole answer; it closed the connection."),
        (HINTS, RESET, "no whole answer; it was lost: Connection reset by peer."),
        (b"", OSError("no more"), "no answer; it was lost: no more."),
    ],
)
def test_a_connection_lost_before_the_answer(
    session: Session, came: bytes, error: Exception | None, reason: str
) -> None:
    asking, _ = connected(session)
    if came:
        asking.data_received(came)
    asking.connection_lost(error)
    assert session.told[-1] == ("unanswered", 502, f"The upstream gave {reason}")
    assert not asking.stale


@pytest.mark.parametrize(("came", "stale"), [(b"", True), (OK[:1], False)])
def test_a_used_connection_is_stale_if_nothing_came(
    session: Session, came: bytes, *, stale: bool
) -> None:
    asking = exchange(session)
    transport = FakeTransport()
    asking.reuse(transport)
    assert (transport.protocol, transport.sent) == (asking, ASKED)
    if came:
        asking.data_received(came)
    asking.connection_lost(None)
    assert asking.stale is stale
    assert session.told[-1][0] == "unanswered"


def test_the_peers_appetite_is_told(session: Session) -> None:
    asking, _ = connected(session)
    asking.pause_writing()
    asking.resume_writing()
    assert session.told == ["connected", "full", "drained"]


def test_an_abandoned_exchange_hangs_up_and_says_nothing_more(session: Session) -> None:
    asking, transport = connected(session)
    asking.abandon()
    asking.pause_writing()
    asking.resume_writing()
    asking.data_received(OK)
    asking.connection_lost(None)
    assert (transport.words, session.told) == (["abort"], ["connected"])


def test_an_abandoned_attempt_is_given_up(session: Session) -> None:
    asking, connector = exchange(session), Connector()
    asking.connect(connector, PEER)  # type: ignore[arg-type]
    asking.abandon()
    asking.connect_failed(OSError("late"))
    assert (connector.aborted, session.told) == (1, [])
