"""What `fastws drain` does: closes the tunnels of a server, a listener or a worker, or all."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from fastws._pipe import may_close_with
from fastws.errors import FastwsError
from fastws.server import messages, moves
from fastws.server.closing import DRAINED, Closing

if TYPE_CHECKING:
    from fastws.server.child import Child
    from fastws.server.supervisor import Supervisor

# Seconds for closing handshakes after the last close.
_ENDING = 10.0

_Amount = Annotated[float, msgspec.Meta(ge=0, le=1e9)]  # no nonsense: neither below nor NaN


class Drain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which tunnels are to be closed, and how: see `fastws.server.closing`. Times in seconds.

    ``target`` is a server or a listener by its address, or a worker by its number; None: all.
    ``undo`` lets a server or listener have connections again. With ``move`` the tunnels of a worker
    go to the one that takes its place, and only those that cannot are closed.
    """

    target: str | None = None
    rate: _Amount = 0
    code: int = DRAINED.code
    jitter: _Amount | None = None
    deadline: _Amount = 300
    undo: bool = False
    move: bool = False


class Draining:
    """One drain. Raises FastwsError for a target that there is not."""

    def __init__(self, supervisor: Supervisor, drain: Drain) -> None:
        self._supervisor = supervisor
        self._asked = drain
        if not may_close_with(drain.code):
            raise FastwsError(
                f"{drain.code} may not stand in a close frame; "
                "say 1000 to 1003, 1007 to 1014 or 3000 to 4999"
            )
        self._closing = Closing(drain.code, DRAINED.reason)
        self._peers: tuple[int, ...] = ()
        self._door = ""
        self._retired: Child | None = None
        if drain.target is not None:
            self._find(drain.target)
        self._jitter = supervisor.plan.config.drain.spread if drain.jitter is None else drain.jitter
        if drain.rate and drain.jitter is None:
            self._jitter = 1 / drain.rate

    async def run(self) -> dict[str, Any]:
        """Carry it out; returns how many tunnels were closed.

        Raises FastwsError when a worker does not do its part, or the proxy is about to end.
        """
        if self._asked.undo:
            if not self._peers and not self._door:
                raise FastwsError("say which server or listener is to have connections again")
            await self._shut(undo=True)
            return {"tunnels": 0}
        before = self._closed
        if self._retired:
            await self._retire(self._retired)
        else:
            await self._shut(undo=False)
            await self._close()
        return {"tunnels": self._closed - before}

    def _find(self, target: str) -> None:
        supervisor = self._supervisor
        if target.isdecimal():
            found = [child for child in supervisor.workers if child.number == int(target)]
            self._retired = found[0] if found and not found[0].dismissed else None
        else:
            self._peers = tuple(supervisor.peers.numbers_of(target))
            self._door = "" if self._peers else supervisor.door(target)
        if not (self._retired or self._peers or self._door):
            raise FastwsError(f"there is no server, listener or worker {target}")
        if self._asked.move and not self._retired:
            raise FastwsError("only the tunnels of a worker can move")

    async def _shut(self, *, undo: bool) -> None:
        """Let the server or listener have no more connections, or let it have them again."""
        for number in self._peers:
            self._supervisor.board.peer(number).drained = not undo
        if self._door:
            await self._supervisor.shut(self._door, undo=undo)

    async def _close(self) -> None:
        """Let every worker close its share of the tunnels, at its share of the rate."""
        board = self._supervisor.board
        async with self._supervisor.steady():  # then each of the tunnels is where it stays
            children = [child for child in self._supervisor.workers if not child.dismissed]
        total = sum(board.worker(child.number).tunnels for child in children)
        if total:
            shares = (board.worker(child.number).tunnels / total for child in children)
            await asyncio.gather(*map(self._close_share, children, shares))

    async def _close_share(self, child: Child, share: float) -> None:
        asked = self._asked
        try:
            await child.ask(
                lambda number: messages.Drain(
                    number,
                    self._closing,
                    rate=asked.rate * share,
                    jitter=self._jitter,
                    deadline=asked.deadline,
                    peers=self._peers,
                    door=self._door,
                ),
                seconds=asked.deadline + _ENDING,
            )
        except FastwsError:
            if not child.gone.done():  # else its tunnels are, too
                raise

    async def _retire(self, child: Child) -> None:
        """Let a worker close all its tunnels and end; another takes its place at once."""
        asked, supervisor = self._asked, self._supervisor
        spread = self._jitter
        if asked.rate:
            spread += supervisor.board.worker(child.number).tunnels / asked.rate
        spread = min(spread, asked.deadline)
        async with supervisor.steady():
            if child.dismissed or child.gone.done():  # by now
                raise FastwsError(f"worker {child.number} is about to end")
            new = await supervisor.workers.begin_in_place_of(child)
            within = supervisor.opening
            if asked.move:
                await moves.leave([child], [new], within=within, log=supervisor.log)
            else:
                await moves.finish(child, within=within)
        stop = partial(
            messages.Stop,
            closing=self._closing,
            spread=spread,
            timeout=_ENDING,
        )
        await supervisor.workers.dismiss([child], stop, spread + _ENDING)

    @property
    def _closed(self) -> int:
        ended = self._supervisor.board.totals()["ended"]
        return int(ended.get(DRAINED.ending, 0))
