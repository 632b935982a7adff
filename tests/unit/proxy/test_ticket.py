from __future__ import annotations

import msgspec
import pytest

from fastws.config.model import Address
from fastws.proxy.ticket import Ticket
from fastws.proxy.trace import Record, Trace, Try

TRACE = Trace(began=1.0, sent=20, tries=[Try("a:80", 1.5, status=101)])


@pytest.mark.parametrize("record", [None, Record(TRACE, [("log", [(b"\xff", "bytes_sent")])])])
@pytest.mark.parametrize(
    "address", [Address(host="::1", port=80), Address(tls=True, host="a"), Address(path="/run/s")]
)
def test_it_is_the_same_in_another_process(address: Address, record: Record | None) -> None:
    ticket = Ticket(7, "192.0.2.1:50", "ws://:80", 3, address, 2.5, (1, 2, 3, 4), "b:1", record)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(ticket), type=Ticket) == ticket
