from __future__ import annotations

from msgspec.structs import replace

from fastws.config.model import Address, Config, Listener, Log, Server, Upstream
from fastws.server.changes import changes

A, B = (Server(address=Address(host=host, port=1)) for host in "ab")
CONFIG = Config(
    listeners=(Listener(address=Address(port=80)),), upstreams=(Upstream(name="u", servers=(A,)),)
)


def upstream(*servers: Server, **more: object) -> tuple[Upstream, ...]:
    return (Upstream(name="u", servers=servers, **more),)  # type: ignore[arg-type]


def test_the_same_is_no_change() -> None:
    assert changes(CONFIG, CONFIG) == []


def test_servers_and_listeners_are_named() -> None:
    new = replace(CONFIG, listeners=(), upstreams=upstream(B))
    assert sorted(changes(CONFIG, new)) == [
        "listener ws://:80: removed",
        "server ws://a:1 of upstream u: removed",
        "server ws://b:1 of upstream u: added",
    ]


def test_a_server_that_changes_is_named() -> None:
    new = replace(CONFIG, upstreams=upstream(replace(A, weight=2)))
    assert changes(CONFIG, new) == ["server ws://a:1 of upstream u: changed"]


def test_other_sections_are_named() -> None:
    new = replace(CONFIG, log=Log(level="debug"), upstreams=upstream(A, tls_verify=False))
    assert sorted(changes(CONFIG, new)) == ["log: changed", "upstreams: changed"]


def test_what_holds_from_the_next_start_on_is_told_so() -> None:
    assert changes(CONFIG, replace(CONFIG, pid="p")) == ["pid: changes at the next start"]
    assert changes(CONFIG, replace(CONFIG, workers=7)) == ["workers: changed"]
