"""Everything at once: tunnels under steady load, while all is done to the proxy that can be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.control import Controlled, config
from support.steady import Steady
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

# Each of five reloads, a worker emptied and an upgrade; for a longer run ask for more.
ROUNDS = int(os.environ.get("FASTWS_TEST_ROUNDS", "10"))


@pytest.mark.slow
@pytest.mark.timeout(300 + 30 * ROUNDS)
def test_no_message_is_lost_whatever_is_done_to_the_proxy(tmp_path: Path, driver: str) -> None:
    door, more = f"unix:{tmp_path}/door", f"unix:{tmp_path}/more"
    doors = ("127.0.0.1:0", door)
    with Steady(200, tmp_path) as load:
        texts = (
            config(*load.addresses, listen=doors),
            config(load.addresses[0], listen=(*doors, more, "127.0.0.2:0")),
        )
        with Controlled(tmp_path, texts[0], workers=2) as proxy:
            load.begin(proxy.address, door)
            for number in range(5 * ROUNDS):
                load.go_on()
                proxy.file.write_text(texts[(number + 1) % 2])
                assert len(proxy.ask("reload")["changes"]) == 3
                if driver != "transport" and number % 5 == 4:
                    move_all(proxy)
            ended = load.end()
            assert until(lambda: len(proxy.matching("tunnel_closed")) == ended)
            closed = proxy.matching("tunnel_closed")
            assert {event["ended_by"] for event in closed} == {"client"}
            assert len({event["id"] for event in closed}) == ended


def move_all(proxy: Controlled) -> None:
    """From one worker to another, to both, and to a new process."""
    before = proxy.ask("status")
    worker = str(before["workers"][0]["worker"])
    assert proxy.ask("drain", target=worker, move=True)["tunnels"] == 0
    proxy.ask("rebalance")
    upgraded = proxy.ask("upgrade")
    assert upgraded["left"] == 0
    assert before["pid"] != upgraded["pid"] == proxy.ask("status")["pid"]
