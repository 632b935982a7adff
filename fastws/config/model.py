"""The configuration: one immutable, typed model, whatever syntax it came from.

Every default and every unit is declared here, once, with its source. A field's annotation may
carry the function that reads its written form (``"15s"``, ``"64k"``, ``"wss://:8443"``) and raises
ValueError.
"""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fastws.config.addresses import Address, read_listen_address, read_server_address
from fastws.config.balance import Balance, Sticky, read_balance
from fastws.config.names import read_host, read_network, read_origin, read_path
from fastws.config.template import Part, Template
from fastws.config.units import (
    read_positive_seconds,
    read_positive_size,
    read_seconds,
    read_size,
    read_workers,
)

__all__ = [
    "Address",
    "Admin",
    "Balance",
    "Config",
    "Drain",
    "Driver",
    "Limits",
    "Listener",
    "Log",
    "LogFormat",
    "LogLevel",
    "Part",
    "Route",
    "Server",
    "Sticky",
    "Template",
    "Timeouts",
    "Upstream",
]

KIB = 1024

Seconds = Annotated[float, read_seconds]
PositiveSeconds = Annotated[float, read_positive_seconds]
Size = Annotated[int, read_size]
PositiveSize = Annotated[int, read_positive_size]
Text = Annotated[str, Meta(min_length=1)]

Driver = Literal["auto", "uring", "epoll", "transport"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Listener(_Struct, frozen=True, kw_only=True):
    """An address to accept connections on.

    A ``wss`` address needs ``tls_cert`` (a PEM file, the chain included) and ``tls_key``.
    """

    address: Annotated[Address, read_listen_address]
    tls_cert: Text | None = None
    tls_key: Text | None = None


class Server(_Struct, frozen=True, kw_only=True):
    """One server of an upstream; of two, one with twice the weight gets twice the connections.

    A ``backup`` gets connections only while no other server is available; one that is ``down``
    gets none, but keeps its place where keys are hashed. After ``max_fails`` failures in
    ``fail_timeout`` seconds a server gets no connection for as long (0: failures do not matter).
    """

    address: Annotated[Address, read_server_address]
    # All as in nginx's server directive.
    weight: Annotated[int, Meta(ge=1, le=65535)] = 1
    backup: bool = False
    down: bool = False
    max_conns: Annotated[int, Meta(ge=0)] = 0  # 0: no limit
    max_fails: Annotated[int, Meta(ge=0)] = 1
    fail_timeout: Seconds = 10.0


class Upstream(_Struct, frozen=True, kw_only=True):
    """A group of servers that connections are balanced over.

    ``balance`` is written as nginx's directive is. Certificates of ``wss`` servers are verified
    unless ``tls_verify`` is off, against the system's authorities or those in the PEM file
    ``tls_ca``, and for the server's host or ``tls_server_name``. A proxy that does not verify is
    no safer than one without TLS, hence not nginx's ``proxy_ssl_verify off``.
    """

    name: Text
    servers: tuple[Server, ...] = ()
    balance: Annotated[Balance, read_balance] = Balance()  # nginx's without a directive
    tls_verify: bool = True
    tls_ca: Text | None = None
    tls_server_name: Text | None = None
    # Connections without a request that each worker keeps open, and for how many seconds. nginx:
    # keepalive, keepalive_timeout.
    keepalive: Annotated[int, Meta(ge=0)] = 32
    keepalive_timeout: Seconds = 60.0


class Route(_Struct, frozen=True, kw_only=True):
    """Which requests go to an upstream, and the rules for their messages.

    ``hosts`` are names, or ``*.name`` for all below a name, in lower case and without a port; none
    means any. ``path`` is a prefix. ``allowed_origins`` are compared exactly; none means any.
    A message longer than ``max_message`` bytes closes the tunnel with 1009 (0: no limit).
    ``validate_utf8`` fails a text message that is not UTF-8 with 1007 (RFC 6455, 8.1); it costs a
    look at the payload, hence off.
    """

    upstream: Text
    hosts: tuple[Annotated[str, read_host], ...] = ()
    path: Annotated[str, read_path] = "/"
    allowed_origins: tuple[Annotated[str, read_origin], ...] = ()
    validate_utf8: bool = False
    max_message: Size = 0
    # Of a plain request, in bytes; a larger one gets 413. 0: no limit. nginx:
    # client_max_body_size, which is 1m.
    max_body: Size = 0


class Timeouts(_Struct, frozen=True, kw_only=True):
    """Times in seconds."""

    # For a request's head to arrive whole. nginx's client_header_timeout is 60; slow heads are an
    # attack more often than a slow network.
    head: PositiveSeconds = 15.0
    # For a connection to one server of an upstream, TLS included: then the next one is tried.
    connect: PositiveSeconds = 5.0
    # From the connection to the upstream's whole answer: then 504.
    handshake: PositiveSeconds = 15.0
    # From a plain request to the head of its answer: then 504. nginx: proxy_read_timeout.
    answer: PositiveSeconds = 60.0
    # For the body of a plain request to arrive, and a second more for each KiB: then 408. nginx's
    # client_body_timeout begins anew with each read, so that it never ends a slow attack.
    body: PositiveSeconds = 60.0
    # For the next request on a connection. nginx: keepalive_timeout.
    keepalive: Seconds = 75.0
    # Silence in both directions that ends a tunnel, or in the body of an answer; 0: never.
    idle: Seconds = 0.0
    # Silence of a side after which it is pinged; 0: never. Most middleboxes forget a connection
    # after 30 to 60 s of silence. Two pings without a sign of life end the tunnel.
    ping: Seconds = 25.0
    # A side that takes none of what is queued for it. nginx: send_timeout.
    stall: PositiveSeconds = 60.0
    # For the other half of a closing handshake (RFC 6455, 7.1.1); 0: do not wait.
    close: Seconds = 30.0
    # After an end of file, for the other direction to end. nginx: lingering_timeout.
    linger: Seconds = 5.0


class Limits(_Struct, frozen=True, kw_only=True):
    """Sizes in bytes, and counts."""

    # A head of either side. Big cookies break proxies of 8 KiB.
    head_bytes: PositiveSize = 64 * KIB
    # Header lines in a head.
    headers: Annotated[int, Meta(ge=1)] = 200
    # A request's target. nginx: large_client_header_buffers.
    target_bytes: PositiveSize = 8 * KIB
    # Waiting in one direction of a tunnel, before the source pauses.
    queued_bytes: PositiveSize = 64 * KIB
    # Downstream connections at once; 0: as many as the limit of descriptors allows.
    connections: Annotated[int, Meta(ge=0)] = 0


class Drain(_Struct, frozen=True, kw_only=True):
    """How a worker stops."""

    # Seconds for the closing handshakes at shutdown; 0: do not wait.
    timeout: Seconds = 5.0
    # Seconds over which tunnels are closed by a drain, or by SIGQUIT: clients that all come back at
    # once are an outage.
    spread: Seconds = 30.0


class Log(_Struct, frozen=True, kw_only=True):
    """What is logged, and how it is written."""

    level: LogLevel = "info"
    format: LogFormat = "text"
    file: Text | None = None  # by default stderr; opened again at SIGUSR1


class Admin(_Struct, frozen=True, kw_only=True):
    """An HTTP listener for those who watch: /metrics, /healthz and /readyz."""

    # Whoever reaches it may read it; None: there is none.
    listen: Annotated[Address | None, read_listen_address] = None


class Config(_Struct, frozen=True, kw_only=True):
    """Everything a worker needs to know.

    The forwarding headers of a downstream in ``trusted_proxies`` are believed; by default nobody's
    are. ``workers`` is the number of processes; 0: one per core (nginx: worker_processes auto).
    ``driver`` moves the bytes of tunnels; ``auto`` is the fastest that works here. ``pid`` is a
    file for the process's number, and ``control`` the path of the Unix socket for commands: by
    default one in the runtime directory.
    """

    listeners: tuple[Listener, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    routes: tuple[Route, ...] = ()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    drain: Drain = Drain()
    log: Log = Log()
    trusted_proxies: tuple[Annotated[IPv4Network | IPv6Network, read_network], ...] = ()
    workers: Annotated[int, read_workers] = 0
    driver: Driver = "auto"
    pid: Text | None = None
    control: Text | None = None
    admin: Admin = Admin()
