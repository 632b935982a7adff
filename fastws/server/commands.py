"""What an operator can ask of a proxy that runs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from fastws import __version__
from fastws.errors import FastwsError
from fastws.observe.access_log import ENDINGS
from fastws.observe.metrics import render
from fastws.server import messages
from fastws.server.draining import Drain, Draining
from fastws.server.moves import rebalance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastws._board import PeerState
    from fastws.server.child import Child
    from fastws.server.control import Command
    from fastws.server.supervisor import Supervisor

# For workers to put their latest numbers on the board; one that is busy is counted as it was.
_PATIENCE = 0.5


class Commands:
    """Carries them out on a supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._began = time.time()
        self._since = time.monotonic()

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
            "up": time.monotonic() - self._since,
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
        return await Draining(self._supervisor, drain).run()

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
