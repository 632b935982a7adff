from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from functools import partial

import pytest
from support.loops import run
from support.workers import child_and_puppet

from fastws._board import Board
from fastws.errors import FastwsError
from fastws.server import child as module
from fastws.server import messages


def test_what_is_asked_is_done_or_said_why_not() -> None:
    async def scenario() -> None:
        answers = {"Report": "", "Reopen": "no such file"}
        child, puppet = child_and_puppet(obey=lambda order: answers[type(order).__name__])
        await child.ask(messages.Report)
        with pytest.raises(FastwsError, match="no such file"):
            await child.ask(messages.Reopen)
        assert len({order.number for order in puppet.orders}) == 2
        child.ended()
        puppet.close()

    run(scenario())


def test_no_answer_is_waited_for_no_longer_than_that() -> None:
    async def scenario() -> None:
        child, puppet = child_and_puppet(obey=lambda _: None)
        with pytest.raises(FastwsError, match="worker 0 does not answer"):
            await child.ask(messages.Report, seconds=0.05)
        # An answer that comes too late is nobody's.
        puppet.say(messages.Done(puppet.orders[0].number))
        puppet.obey = lambda _: ""
        await child.ask(messages.Report)
        child.ended()
        puppet.close()

    run(scenario())


def test_one_that_takes_no_orders_cannot_be_told() -> None:
    async def scenario() -> None:
        child, puppet = child_and_puppet()
        puppet.close()
        with pytest.raises(FastwsError, match="worker 0 cannot be told: "):
            await child.ask(messages.Report)
        child.ended()

    run(scenario())


def test_one_that_ends_does_nothing_more() -> None:
    async def scenario() -> None:
        child, puppet = child_and_puppet(obey=lambda _: None)
        asked = asyncio.ensure_future(child.ask(messages.Report))
        await asyncio.sleep(0)
        child.ended()
        with pytest.raises(FastwsError, match="worker 0 has ended"):
            await asked
        await child.gone
        with pytest.raises(FastwsError, match="ended before it began"):
            await child.prepared(1)
        await puppet.over.wait()

    run(scenario())


def test_it_is_prepared_when_it_says_so() -> None:
    async def scenario() -> None:
        child, puppet = child_and_puppet()
        puppet.say(messages.Ready("epoll"))
        await child.prepared(10)
        assert child.driver == "epoll"
        child.ended()
        puppet.close()

    run(scenario())


def test_it_says_why_it_cannot_begin() -> None:
    async def scenario() -> None:
        child, puppet = child_and_puppet()
        puppet.say(messages.Failed("no certificate"))
        with pytest.raises(FastwsError, match="no certificate"):
            await child.prepared(10)
        child.ended()
        puppet.close()

    run(scenario())


def test_one_that_is_late_is_killed() -> None:
    async def scenario(pid: int) -> None:
        child, puppet = child_and_puppet(pid)
        with pytest.raises(FastwsError, match="did not begin in time"):
            await child.prepared(0.05)
        child.ended()
        puppet.close()

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run(scenario(process.pid))
        assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("count", [0, 1, module.MOST_DESCRIPTORS + 1])
def test_it_gets_its_sockets_before_it_prepares(count: int) -> None:
    async def scenario() -> None:
        child, puppet = child_and_puppet()
        with socket.socket() as sock, open("/dev/null") as plan:  # noqa: ASYNC230, PTH123
            await child.prepare(plan.fileno(), [(3, sock)] * count)
        *taken, last = puppet.orders
        assert isinstance(last, messages.Prepare)
        assert sum((order.listeners for order in taken), ()) == (3,) * count
        assert sum(puppet.descriptors) == count + 1
        assert puppet.descriptors == [order.descriptors for order in puppet.orders]
        child.ended()
        puppet.close()

    run(scenario())


def test_one_without_a_sign_of_life_hangs_after_so_many_looks() -> None:
    async def scenario() -> None:
        board = Board(2, 2, 4)
        child, puppet = child_and_puppet(board=board)
        look = partial(getattr, child, "hangs")
        for _ in range(3):
            assert not any(look() for _ in range(module._MOST_MISSED - 1))
            board.worker(0).beat()
        assert [look() for _ in range(module._MOST_MISSED + 1)][-1]
        child.ended()
        puppet.close()

    run(scenario())


def test_its_tunnels_are_those_on_the_board() -> None:
    async def scenario() -> None:
        board = Board(2, 2, 4)
        child, puppet = child_and_puppet(board=board)
        board.worker(0).tunnel_opened(1, 0, "client")
        assert child.tunnels == 1
        assert [child.settled for child.driver in ("uring", "transport")] == [False, True]
        child.ended()
        puppet.close()

    run(scenario())
