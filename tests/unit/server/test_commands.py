"""What commands say of a supervisor; what they do to it, the adversity tests show."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from fastws._board import Board
from fastws._relay import Ending
from fastws.config.model import Address, Config, Server, Upstream
from fastws.errors import FastwsError
from fastws.server import messages
from fastws.server.commands import Commands
from fastws.server.peers import PeerTable


def server(port: int, **more: Any) -> Server:
    return Server(address=Address(host="10.0.0.1", port=port), **more)


class Supervisor:
    """What a command looks at, and what it is told to do."""

    ready = True
    shut_doors = ("ws://127.0.0.1:9",)

    def __init__(self, *servers: Server) -> None:
        config = Config(upstreams=(Upstream(name="u", servers=servers),))
        self.board = Board(4, 16, 8)
        self.peers = PeerTable(self.board)
        self.plan = messages.Plan(config, self.peers.assign(config))
        self.peers.settle(config)
        self.listeners = SimpleNamespace(addresses=[Address(host="127.0.0.1", port=8)])
        self.rates = SimpleNamespace(now=lambda _: {"messages": 1.0})
        self.workers = self
        self.stopped = asyncio.Event()
        self.told: list[str] = []

    def __iter__(self) -> Any:
        serving = SimpleNamespace(number=0, pid=70, driver="epoll", dismissed=False)
        ending = SimpleNamespace(number=1, pid=71, driver="epoll", dismissed=True)
        return iter([serving, ending])

    async def ask_all(self, order: Any, *, seconds: float) -> list[str]:
        self.told.append(f"{order.__name__} {seconds}")
        return ["worker 0 does not answer"]

    async def reload(self) -> list[str]:
        self.told.append("reload")
        return ["listeners: changed"]

    async def upgrade(self) -> dict[str, int]:
        self.told.append("upgrade")
        return {"pid": 72, "left": 3}

    def stop(self) -> None:
        self.told.append("stop")
        self.stopped.set()


def say(supervisor: Supervisor, name: str, **request: Any) -> dict[str, Any]:
    these: Any = supervisor
    return asyncio.run(Commands(these).by_name()[name](request))


def test_a_status_tells_of_workers_and_listeners_though_some_do_not_answer() -> None:
    supervisor = Supervisor()
    supervisor.board.worker(1).tunnel_opened(1, 0, "client")
    supervisor.board.worker(1).connection_opened()
    status = say(supervisor, "status")
    assert supervisor.told == ["Report 0.5"]
    assert [(each["pid"], each["state"]) for each in status["workers"]] == [
        (70, "serving"),
        (71, "ending"),
    ]
    assert [each["tunnels"] for each in status["workers"]] == [0, 1]
    assert [(each["address"], each["state"]) for each in status["listeners"]] == [
        ("ws://127.0.0.1:8", "open"),
        ("ws://127.0.0.1:9", "drained"),
    ]
    assert (status["ready"], status["rates"]) == (True, {"messages": 1.0})


def test_a_status_names_how_tunnels_ended() -> None:
    supervisor = Supervisor()
    counts = supervisor.board.worker(0)
    place = counts.tunnel_opened(1, 0, "client")
    counts.tunnel_ended(place, int(Ending.DRAIN), 1, 2, 3, 4)
    assert say(supervisor, "status")["totals"]["ended"] == {"drain": 1}


def test_a_status_tells_how_servers_are() -> None:
    supervisor = Supervisor(
        server(1),
        server(2, down=True),
        server(3, max_conns=1),
        server(4, max_fails=2),
        server(5, max_fails=0),
        server(6, max_fails=0),
    )
    peers = [supervisor.board.peer(number) for number in supervisor.plan.peers["u"]]
    peers[2].acquire()
    for peer in (peers[3], peers[4]):
        peer.failures = 2
    peers[5].drained = True
    servers = say(supervisor, "status")["servers"]
    states = [each["state"] for each in servers]
    assert states == ["up", "down", "full", "failed", "up", "drained"]
    assert servers[2]["connections"] == servers[2]["served"] == 1
    assert servers[0]["address"] == "10.0.0.1:1"


def test_metrics_are_the_same_numbers_as_a_text() -> None:
    supervisor = Supervisor(server(1))
    assert (
        'fastws_server_up{server="10.0.0.1:1",upstream="u"} 1.0'
        in say(supervisor, "metrics")["text"]
    )


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("reload", {"changes": ["listeners: changed"]}),
        ("upgrade", {"pid": 72, "left": 3}),
        ("stop", {}),
    ],
)
def test_the_rest_is_for_the_supervisor_to_do(name: str, answer: dict[str, Any]) -> None:
    supervisor = Supervisor()
    assert say(supervisor, name) == answer
    assert supervisor.told == [name]


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ({"rate": "x"}, "Expected `float`, got `str`"),
        ({"speed": 1}, "unknown field `speed`"),
        *(
            ({"code": code}, f"{code} may not stand in a close frame")
            for code in (5, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_536 + 1000)
        ),
        ({"rate": -1}, "Expected `float` >= 0"),
        ({"deadline": -1}, "Expected `float` >= 0"),
        ({"target": "10.0.0.9:1"}, "there is no server, listener or worker 10.0.0.9:1"),
    ],
)
def test_a_drain_that_cannot_be_meant_is_refused(request_: dict[str, Any], fault: str) -> None:
    supervisor: Any = Supervisor(server(1))
    supervisor.door = lambda _: ""
    supervisor.plan = supervisor.plan
    with pytest.raises(FastwsError, match=fault):
        say(supervisor, "drain", **request_)
