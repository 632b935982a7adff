"""Both peers of a tunnel over memory: what one sends, and what the other gets."""

from __future__ import annotations

from typing import Literal

from support.frames import CLOSE, KEY, Frame, close_payload, frame, parse

from fastws._memory import MemoryTunnel
from fastws._pipe import Rules

Side = Literal["downstream", "upstream"]
DOWN: Side = "downstream"
UP: Side = "upstream"
SIDES: tuple[Side, Side] = (DOWN, UP)
NAMES = {DOWN: "client", UP: "upstream"}


def other(side: Side) -> Side:
    return UP if side == DOWN else DOWN


def opened(*, rsv_first: int = 0, rsv_rest: int = 0, **rules: float) -> MemoryTunnel:
    """A tunnel under the default rules, but for those given."""
    return MemoryTunnel(Rules(**rules), rsv_first=rsv_first, rsv_rest=rsv_rest)


def by(side: Side, opcode: int, payload: bytes = b"", **form: object) -> bytes:
    """A frame as `side` has to send it."""
    return frame(opcode, payload, **{"key": KEY if side == DOWN else None, **form})


def closing(side: Side, code: int | None = None, reason: str | bytes = b"") -> bytes:
    """A close frame of `side`."""
    return by(side, CLOSE, b"" if code is None else close_payload(code, reason))


def got(tunnel: MemoryTunnel, side: Side) -> list[Frame]:
    """The frames that reached `side` since the last look, whole and masked as they must be."""
    data, found = tunnel.take(side), []
    while data:
        parsed = parse(data)
        assert parsed, f"not a whole frame: {data[:40]!r}"
        assert parsed[0].masked == (side == UP), f"masked the wrong way round: {parsed[0]}"
        found.append(parsed[0])
        data = data[parsed[1] :]
    return found


def got_close(tunnel: MemoryTunnel, side: Side) -> tuple[int | None, str]:
    """The code and reason of the close frame that is all that reached `side`."""
    (found,) = got(tunnel, side)
    return found.close


def let_answers_pass(tunnel: MemoryTunnel, violator: Side) -> None:
    """Where the client broke a rule, let the time pass in which answers may still reach it."""
    if violator == DOWN:
        let_upstream_answer(tunnel)
        assert tunnel.log[-1] == ("wake", 0.5)
        tunnel.wake()


def let_upstream_answer(tunnel: MemoryTunnel) -> None:
    """Where it has something to answer, let the time pass that it has before its close frame."""
    if tunnel.log == [("wake", 0.1)]:
        tunnel.wake()
