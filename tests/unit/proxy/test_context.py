"""What the connections of a worker share: who may come, who rests, and when all are gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fastws._board import Board
from fastws.config.build import build
from fastws.observe.files import LogFiles
from fastws.observe.log import Log
from fastws.proxy.context import Context
from fastws.proxy.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


class Connection:
    """A client's connection on which no request is under way."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def hurry(self) -> None:
        self.told.append("hurry")

    def dismiss(self) -> None:
        self.told.append("dismiss")


def settings(**raw: Any) -> Settings:
    listeners = [{"address": "127.0.0.1:80"}]
    upstreams = [{"name": "u", "servers": [{"address": "127.0.0.1:1"}]}]
    whole = {"listeners": listeners, "upstreams": upstreams, "routes": [{"upstream": "u"}], **raw}
    return Settings(build({"driver": "transport", **whole}, "f"))


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def context(loop: asyncio.AbstractEventLoop, most: int = 10, **raw: Any) -> Context:
    counts = Board(2, 1, 0).worker(0)
    return Context(settings(**raw), loop, LogFiles(Log(2)), counts, most_connections=most)


def test_a_worker_is_full_above_its_own_number(loop: asyncio.AbstractEventLoop) -> None:
    made = context(loop, most=1)
    made.counts.connection_opened()
    assert not made.full
    made.counts.connection_opened()
    assert made.full
    made.closed()
    assert not made.full


def test_the_limit_of_the_configuration_is_for_all_workers(
    loop: asyncio.AbstractEventLoop,
) -> None:
    made = context(loop, limits={"connections": 1})
    made.counts.connection_opened()
    assert not made.full
    made.board.worker(1).connection_opened()
    assert made.full


def test_a_request_under_way_is_let_go_on(loop: asyncio.AbstractEventLoop) -> None:
    made = context(loop)
    resting, working = Connection(), Connection()
    for each in (resting, working):
        made.rests(each)  # type: ignore[arg-type]
    made.works(working)  # type: ignore[arg-type]
    made.leave()
    assert (resting.told, working.told, made.leaving, made.draining) == (["hurry"], [], True, False)
    made.stay()
    assert not made.leaving
    made.drain()
    assert (resting.told, working.told) == (["hurry", "dismiss"], [])
    assert made.draining


def test_the_end_of_the_last_connection_is_told_while_draining(
    loop: asyncio.AbstractEventLoop,
) -> None:
    made = context(loop)
    for _ in range(3):
        made.counts.connection_opened()
    made.closed()
    made.drain()
    made.closed()
    assert not made.none_left.is_set()
    made.closed()
    assert made.none_left.is_set()


def test_the_clock_is_as_fine_as_the_shortest_limit(loop: asyncio.AbstractEventLoop) -> None:
    made = context(loop, timeouts={"linger": 1.0, "ping": 0})
    assert made.driver.interval == 0.25
    made.replace_settings(settings(timeouts={"stall": 0.01}))
    assert made.driver.interval == 0.05
    assert made.connector.stall == 0.01
    made.replace_settings(settings(timeouts={"linger": 60.0}))
    assert made.driver.interval == 1.0
