"""Traps for open tunnels: how long they live, and what they cost."""

from fastws.config.nginx.findings import Findings, Level
from fastws.config.nginx.parser import write
from fastws.config.nginx.scope import Site
from fastws.config.units import read_seconds, read_size

_SHORT = 60.0  # what proxy_read_timeout is by default
_BIG = 64 * 1024
_NOT_FOR_TUNNELS = ("proxy_buffering", "proxy_buffers", "proxy_busy_buffers_size")


def read_timeout(site: Site, findings: Findings) -> None:
    """Find WebSockets that end after a minute of silence."""
    for scope, proxy_pass in site.proxies:
        set_to = scope.nearest("proxy_read_timeout")
        if not scope.speaks_websocket or (set_to and not _is_short(set_to[0].values[0])):
            continue
        findings.warning(
            set_to[0].place if set_to else proxy_pass.place,
            f"proxy_read_timeout is {set_to[0].values[0]}"
            if set_to
            else "proxy_read_timeout is not set, which means 60s",
            "nginx cuts a WebSocket after so much silence, without a close frame: clients see 1006",
            "proxy_read_timeout 1h;",
        )


def buffers_without_effect(site: Site, findings: Findings) -> None:
    """Find directives that do nothing for a tunnel, where they stand for WebSockets."""
    for scope, _ in site.proxies:
        for name in _NOT_FOR_TUNNELS:
            for directive in scope.own(name):
                if scope.speaks_websocket:
                    findings.add(
                        Level.NOTE,
                        directive.place,
                        f"{name} has no effect on WebSockets, only on plain answers",
                        "the one buffer that an open tunnel has in each direction is "
                        "proxy_buffer_size",
                    )


def big_buffers(site: Site, findings: Findings) -> None:
    """Find buffers that many idle tunnels multiply."""
    for scope, _ in site.proxies:
        for directive in scope.own("proxy_buffer_size"):
            if scope.speaks_websocket and _is_big(directive.values[0]):
                findings.warning(
                    directive.place,
                    f"every WebSocket holds two buffers of {directive.values[0]}",
                    "nginx keeps them for as long as a tunnel is open, idle or not",
                    write("proxy_buffer_size", "16k"),
                )


def _is_short(time: str) -> bool:
    try:
        return read_seconds(time) <= _SHORT
    except ValueError:
        return False


def _is_big(size: str) -> bool:
    try:
        return read_size(size) > _BIG
    except ValueError:
        return False
