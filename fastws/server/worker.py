"""A worker: one process, one loop; it listens, serves, and stops in good order."""

import asyncio
import gc
import resource
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import click
import uvloop

from fastws.config.model import Address, Config
from fastws.errors import FastwsError
from fastws.observe.access_log import AccessLog
from fastws.observe.log import Log
from fastws.proxy.context import Context
from fastws.proxy.downstream import Downstream
from fastws.proxy.settings import Settings
from fastws.server import demo, listener, tls

_GOING_AWAY = 1001  # RFC 6455 section 7.4.1

# A connection leaves no cycles behind, so that collections only cost time: few of them do.
_COLLECT_AFTER = 50_000

# For the loop, the log, the listeners, and what libraries open.
_OWN_DESCRIPTORS = 32
# A tunnel has two, and two more while both its sides are slow; connections that are turned away
# have one.
_DESCRIPTORS_PER_CONNECTION = 3


class _Closable(Protocol):
    """What accepts connections."""

    def close(self) -> None:
        """Accept no more."""


def run(config: Config, *, demo: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, then close all tunnels with 1001.

    With ``demo`` there is an embedded upstream that echoes, and a page at ``/``. Raises
    FastwsError for what the operator has to put right: an address in use, an unreadable file.
    """
    log = Log(sys.stderr.fileno(), config.log.level, config.log.format)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(config, log, with_demo=demo))
    finally:
        log.close()


async def _serve(config: Config, log: Log, *, with_demo: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _log_fault(log, context))
    if not with_demo:
        await _work(config, log, page=None)
        return
    async with demo.upstream() as address:
        await _work(demo.configured(config, address), log, page=demo.page())


async def _work(config: Config, log: Log, *, page: bytes | None) -> None:
    loop = asyncio.get_running_loop()
    stop = _stop_signals(loop)
    try:
        context = Context(
            Settings(config, page=page),
            loop,
            AccessLog(log),
            most_connections=config.limits.connections or _most_connections(),
        )
    except OSError as error:
        raise FastwsError(f"cannot read tls_ca: {error.strerror or error}") from error
    async with _listening(config, context) as addresses:
        _announce(addresses, page=page is not None)
        log.info("started", driver=context.sockets.name if context.sockets else "transport")
        # What lives now lives as long as the worker: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)
        await stop.get()
    await _drain(context, stop, config.drain.timeout)


@asynccontextmanager
async def _listening(config: Config, context: Context) -> AsyncIterator[list[Address]]:
    """Accept connections on all listeners."""
    addresses: list[Address] = []
    servers: list[_Closable] = []
    try:
        for each in config.listeners:
            sockets = listener.bind(each.address)
            addresses.append(listener.bound_address(each.address, sockets))
            tls_context = tls.server_context(each)
            servers += [await _accept(sock, tls_context, config, context) for sock in sockets]
        yield addresses
    finally:
        for server in servers:
            server.close()
        listener.unlink(addresses)


async def _accept(
    sock: socket.socket, tls_context: ssl.SSLContext | None, config: Config, context: Context
) -> _Closable:
    if context.sockets and tls_context is None:
        return context.sockets.listen(
            sock, lambda: Downstream(context, tls=False), config.timeouts.stall
        )
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: Downstream(context, tls=tls_context is not None),
        sock=sock,
        backlog=listener.BACKLOG,
        ssl=tls_context,
        # The loop takes these with TLS only, and no zero.
        ssl_handshake_timeout=config.timeouts.head if tls_context else None,
        ssl_shutdown_timeout=max(config.timeouts.linger, 0.1) if tls_context else None,
    )


async def _drain(context: Context, stop: asyncio.Queue[int], seconds: float) -> None:
    """Close every tunnel, and wait until all are gone, the time is up, or a second signal comes."""
    context.drain()
    context.driver.shut_down(_GOING_AWAY, b"shutting down")
    if context.connections:
        gone = asyncio.ensure_future(context.none_left.wait())
        again = asyncio.ensure_future(stop.get())
        await asyncio.wait({gone, again}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (gone, again):
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
    context.driver.abort()
    await asyncio.sleep(0)


def _stop_signals(loop: asyncio.AbstractEventLoop) -> asyncio.Queue[int]:
    signals: asyncio.Queue[int] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, number)
    return signals


def _most_connections() -> int:
    """How many downstream connections there are descriptors for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    current, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if current == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, (current - _OWN_DESCRIPTORS) // _DESCRIPTORS_PER_CONNECTION)


def _announce(addresses: list[Address], *, page: bool) -> None:
    click.echo(f"fastws listening on {', '.join(str(address) for address in addresses)}")
    if page:
        click.echo(f"open {demo.url(addresses[0])} in a browser")


def _log_fault(log: Log, context: dict[str, Any]) -> None:
    """Log what no code of ours caught; the connection that it happened on is over."""
    error = context.get("exception")
    log.error("fault", message=context.get("message", ""), error=repr(error) if error else "")
