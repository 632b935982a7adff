"""What an operator can ask of a proxy that runs."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from fastws import __version__
from fastws._relay import Ending
from fastws.errors import FastwsError
from fastws.observe.access_log import ENDINGS
from fastws.observe.metrics import render
from fastws.server import messages
from fastws.server.moves import move, rebalance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastws._board import PeerState
    from fastws.server.child import Child
    from fastws.server.control import Command
    from fastws.server.supervisor import Supervisor

# For workers to put their latest numbers on the board; one that is busy is counted as it was.
_PATIENCE = 0.5

# The close reason, and the seconds for closing handshakes after the last close.
_DRAINED = "drained"
_ENDING = 10.0


class Drain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which tunnels are to be closed, and how: see `fastws.server.drain`. Times in seconds.

    ``target`` is a server or a listener by its address, or a worker by its number; None: all.
    ``undo`` lets a server or listener have connections again. With ``move`` the tunnels of a worker
    go to the one that takes its place, and only those that cannot are closed.
    """

    target: str | None = None
    rate: float = 0
    code: int = 1012  # RFC 6455's registry: service restart
    jitter: float | None = None
    deadline: float = 300
    undo: bool = False
    move: bool = False


class Commands:
    """Carries them out on a supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._began = time.time()

    def by_name(self) -> Mapping[str, Command]:
        """Return what the control socket knows."""
        return {
            "status": self._status,
            "reload": self._reload,
            "drain": self._drain,
            "rebalance": self._rebalance,
            "upgrade": self._upgrade,
            "stop": self._stop,
            "metrics": self._metrics,
        }

    @property
    def ready(self) -> bool:
        """Whether connections are accepted."""
        return self._supervisor.ready

    async def text(self) -> bytes:
        """Return the metrics as Prometheus wants them."""
        return render(await self.status())

    async def status(self) -> dict[str, Any]:
        """Return all that is known."""
        supervisor = self._supervisor
        await supervisor.workers.ask_all(messages.Report, seconds=_PATIENCE)
        totals = supervisor.board.totals()
        totals["ended"] = {ENDINGS[number]: count for number, count in totals["ended"].items()}
        return {
            "version": __version__,
            "pid": os.getpid(),
            "began": self._began,
            "ready": supervisor.ready,
            "workers": [self._worker(child) for child in supervisor.workers],
            "listeners": [
                {"address": str(address), "state": "open"}
                for address in supervisor.listeners.addresses
            ]
            + [{"address": door, "state": "drained"} for door in supervisor.shut_doors],
            "servers": self._servers(),
            "totals": totals,
            "rates": supervisor.rates.now(totals),
        }

    async def _status(self, _request: dict[str, Any]) -> dict[str, Any]:
        return await self.status()

    async def _metrics(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"text": (await self.text()).decode()}

    async def _reload(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"changes": await self._supervisor.reload()}

    async def _stop(self, _request: dict[str, Any]) -> dict[str, Any]:
        self._supervisor.stop()
        await self._supervisor.stopped.wait()
        return {}

    async def _upgrade(self, _request: dict[str, Any]) -> dict[str, Any]:
        return await self._supervisor.upgrade()

    async def _rebalance(self, _request: dict[str, Any]) -> dict[str, Any]:
        async with self._supervisor.steady() as workers:
            return {"tunnels": await rebalance(workers)}

    async def _drain(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            drain = msgspec.convert(request, Drain)
        except msgspec.ValidationError as error:
            raise FastwsError(str(error)) from None
        return await _Draining(self._supervisor, drain).run()

    def _worker(self, child: Child) -> dict[str, Any]:
        counts = self._supervisor.board.worker(child.number)
        return {
            "worker": child.number,
            "pid": child.pid,
            "driver": child.driver,
            "state": "ending" if child.dismissed else "serving",
            "connections": counts.connections,
            "tunnels": counts.tunnels,
        }

    def _servers(self) -> list[dict[str, Any]]:
        supervisor = self._supervisor
        return [
            {
                "upstream": upstream.name,
                "address": server.address.authority,
                "state": _health(supervisor.board.peer(number), server),
                "connections": supervisor.board.peer(number).connections,
                "served": supervisor.board.peer(number).served,
                "failures": supervisor.board.peer(number).failures,
            }
            for upstream in supervisor.plan.config.upstreams
            for server, number in zip(
                upstream.servers, supervisor.plan.peers[upstream.name], strict=True
            )
        ]


def _health(state: PeerState, server: Any) -> str:
    if server.down:
        return "down"
    if state.drained:
        return "drained"
    if server.max_fails and state.failures >= server.max_fails:
        return "failed"
    if server.max_conns and state.connections >= server.max_conns:
        return "full"
    return "up"


class _Draining:
    """One drain. Raises FastwsError for a target that there is not."""

    def __init__(self, supervisor: Supervisor, drain: Drain) -> None:
        self._supervisor = supervisor
        self._asked = drain
        if not 1000 <= drain.code <= 4999:
            raise FastwsError(f"{drain.code} is no close code")
        self._peers: tuple[int, ...] = ()
        self._door = ""
        self._retired: Child | None = None
        if drain.target is not None:
            self._find(drain.target)
        self._jitter = supervisor.plan.config.drain.spread if drain.jitter is None else drain.jitter
        if drain.rate and drain.jitter is None:
            self._jitter = 1 / drain.rate

    async def run(self) -> dict[str, Any]:
        """Carry it out; returns how many tunnels were closed."""
        if self._asked.undo:
            await self._undo()
            return {"tunnels": 0}
        before = self._closed
        if self._retired:
            await self._retire(self._retired)
        else:
            await self._shut()
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
        if self._asked.move and not self._retired:
            raise FastwsError("only the tunnels of a worker can move")
        if not (self._retired or self._peers or self._door):
            raise FastwsError(f"there is no server, listener or worker {target}")

    async def _shut(self) -> None:
        for number in self._peers:
            self._supervisor.board.peer(number).drained = True
        if self._door:
            await self._supervisor.shut(self._door)

    async def _undo(self) -> None:
        if not self._peers and not self._door:
            raise FastwsError("say which server or listener is to have connections again")
        for number in self._peers:
            self._supervisor.board.peer(number).drained = False
        if self._door:
            await self._supervisor.reopen(self._door)

    async def _close(self) -> None:
        """Let every worker close its share of the tunnels, at its share of the rate."""
        board = self._supervisor.board
        children = [child for child in self._supervisor.workers if not child.dismissed]
        total = sum(board.worker(child.number).tunnels for child in children)
        if total:
            shares = (board.worker(child.number).tunnels / total for child in children)
            await asyncio.gather(*map(self._close_share, children, shares))

    async def _close_share(self, child: Child, share: float) -> None:
        asked = self._asked
        await child.ask(
            lambda number: messages.Drain(
                number,
                code=asked.code,
                reason=_DRAINED,
                rate=asked.rate * share,
                jitter=self._jitter,
                deadline=asked.deadline,
                peers=self._peers,
                door=self._door,
            ),
            seconds=asked.deadline + _ENDING,
        )

    async def _retire(self, child: Child) -> None:
        """Let a worker close all its tunnels and end; another takes its place at once."""
        asked = self._asked
        spread = self._jitter
        if asked.rate:
            spread += self._supervisor.board.worker(child.number).tunnels / asked.rate
        spread = min(spread, asked.deadline)
        await self._supervisor.workers.retire(
            child,
            partial(move, leave=self._supervisor.opening) if asked.move else None,
            lambda number: messages.Stop(
                number, asked.code, _DRAINED, spread, _ENDING, int(Ending.DRAIN)
            ),
            spread + _ENDING,
        )

    @property
    def _closed(self) -> int:
        ended = self._supervisor.board.totals()["ended"]
        return int(ended.get(int(Ending.DRAIN), 0))
