"""The configuration: one immutable, typed model, whatever syntax it came from.

Every default and every unit is declared here, once, with its source. A field's annotation may
carry the function that reads its written form (``"15s"``, ``"64k"``, ``"wss://:8443"``) and raises
ValueError.
"""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fastws.config.access import Access, read_access
from fastws.config.addresses import Address, read_listen_address, read_server_address
from fastws.config.balance import Balance, Sticky, read_balance
from fastws.config.names import (
    read_header,
    read_host,
    read_network,
    read_origin,
    read_path,
    read_site_host,
    read_variable,
)
from fastws.config.pattern import Pattern, compile_pattern, group_names, split_pattern
from fastws.config.template import Part, Template, read_template
from fastws.config.units import (
    read_positive_seconds,
    read_positive_size,
    read_seconds,
    read_size,
    read_workers,
)

__all__ = [
    "Access",
    "AccessLog",
    "Action",
    "AddedHeader",
    "Address",
    "Admin",
    "Balance",
    "Case",
    "Certificate",
    "Config",
    "Drain",
    "Driver",
    "ErrorPage",
    "HeaderLine",
    "Limits",
    "Listener",
    "Location",
    "Log",
    "LogFormat",
    "LogLevel",
    "Map",
    "NextUpstream",
    "OtherMethods",
    "Part",
    "Pass",
    "Pattern",
    "RealAddress",
    "Replacement",
    "Route",
    "Server",
    "Site",
    "Step",
    "Sticky",
    "Template",
    "Timeouts",
    "Upstream",
    "compile_pattern",
    "group_names",
    "read_template",
    "split_pattern",
]

KIB = 1024

Seconds = Annotated[float, read_seconds]
PositiveSeconds = Annotated[float, read_positive_seconds]
Size = Annotated[int, read_size]
PositiveSize = Annotated[int, read_positive_size]
Text = Annotated[str, Meta(min_length=1)]
Words = Annotated[Template, read_template]
Name = Annotated[str, read_variable]
Status = Annotated[int, Meta(ge=100, le=999)]
Network = Annotated[IPv4Network | IPv6Network, read_network]

Driver = Literal["auto", "uring", "epoll", "transport"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]


# nginx's, where access_log names no format.
COMBINED = read_template(
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"'
)


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Certificate(_Struct, frozen=True, kw_only=True):
    """A certificate and its key (PEM files) for the clients that ask for one of ``hosts``."""

    hosts: tuple[Annotated[str, read_site_host], ...]
    tls_cert: Text
    tls_key: Text


class Listener(_Struct, frozen=True, kw_only=True):
    """An address to accept connections on.

    A ``wss`` address needs ``tls_cert`` (a PEM file, the chain included) and ``tls_key``, for
    clients that ask for none of the hosts of ``certificates``, or refuses those with
    ``tls_refuse_unknown``. ``tls_ciphers`` is OpenSSL's list, for versions before 1.3.

    With ``proxy_protocol`` every connection has to begin with a PROXY header of version 1 or 2, and
    routes take the address in it for the client's: only proxies may reach such a listener.
    """

    address: Annotated[Address, read_listen_address]
    proxy_protocol: bool = False
    tls_cert: Text | None = None
    tls_key: Text | None = None
    tls_refuse_unknown: bool = False  # nginx: ssl_reject_handshake
    tls_versions: tuple[Literal["TLSv1.2", "TLSv1.3"], ...] = ("TLSv1.2", "TLSv1.3")
    tls_ciphers: Text | None = None
    certificates: tuple[Certificate, ...] = ()


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


class NextUpstream(_Struct, frozen=True, kw_only=True):
    """When the next server is asked, while nothing of an answer went to the client.

    It is asked ``on`` these failures and statuses of the last one (none: never). A request that may
    not be sent twice, such as POST, only goes on if it was not sent yet, or with "non_idempotent";
    one whose body is not here any more, never. In nginx: proxy_next_upstream.
    """

    on: tuple[
        Literal[
            "error",
            "timeout",
            "invalid_header",
            "http_403",
            "http_404",
            "http_429",
            "http_500",
            "http_502",
            "http_503",
            "http_504",
            "non_idempotent",
        ],
        ...,
    ] = ("error", "timeout")
    # Servers that are asked at most, the first one included; 0: all. nginx: …_tries
    tries: Annotated[int, Meta(ge=0)] = 0
    # Seconds after which none is asked any more; 0: no limit. nginx: …_timeout
    timeout: Seconds = 0.0


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
    next_upstream: NextUpstream = NextUpstream()


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
    # For the next request on a connection; 0: each has one request. nginx: keepalive_timeout.
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


class Case(_Struct, frozen=True, kw_only=True):
    """One line of a map.

    ``key`` is compared without regard to case. ``~`` and ``~*`` before it make a pattern of it; a
    backslash before it takes away any such meaning. With ``compare = "hosts"`` it may be
    ``*.name`` or ``name.*``, and with "networks" it is a network.
    """

    key: str
    value: Words


class Map(_Struct, frozen=True, kw_only=True):
    """A variable, whose value is looked up by another text (nginx: map, geo, split_clients).

    Exact keys come first, then hosts with a wildcard, the longest first, then patterns in order;
    of networks the smallest counts. Of shares, such as "0.5%", it is the one that the text's hash
    lies in, and the default has what they leave. The value holds for the whole request once it is
    known, unless the map is ``volatile``.
    """

    variable: Name
    source: Words
    cases: tuple[Case, ...] = ()
    default: Words = ()
    compare: Literal["text", "hosts", "networks", "shares"] = "text"
    volatile: bool = False


class HeaderLine(_Struct, frozen=True, kw_only=True):
    """A header for the upstream, in place of the client's of this name; an empty value drops it."""

    name: Annotated[str, read_header]
    value: Words = ()


class AddedHeader(_Struct, frozen=True, kw_only=True):
    """A header for the client, unless its value is empty.

    Without ``always`` it is only added to answers of status 200, 201, 204, 206, 301, 302, 303,
    304, 307 and 308 (nginx: add_header).
    """

    name: Annotated[str, read_header]
    value: Words = ()
    always: bool = False


class Replacement(_Struct, frozen=True, kw_only=True):
    """What stands in place of the beginning of a value, or of what a ``~pattern`` matches."""

    find: Text
    replace: Words = ()


class ErrorPage(_Struct, frozen=True, kw_only=True):
    """What is done about an error: another path, a named location (``@name``), or a redirect.

    ``status`` is what the client gets: by default that of the error, with 0 that of the answer.
    """

    statuses: tuple[Status, ...]
    to: Words
    status: Annotated[int, Meta(ge=0, le=999)] | None = None


class AccessLog(_Struct, frozen=True, kw_only=True):
    """A file with a line for each request that is over, or tunnel (nginx: access_log, log_format).

    ``name`` is what actions know it by. A line is ``format``, each variable in it escaped: as text,
    where what is empty becomes ``-``, as in a JSON string, or not at all but for ends of lines.
    With ``when`` there is none where that comes to nothing, or to ``0``.
    """

    name: Text
    file: Text
    format: Words = COMBINED
    escape: Literal["default", "json", "none"] = "default"
    when: Words = ()


class Pass(_Struct, frozen=True, kw_only=True):
    """Where requests are passed on to (nginx: proxy_pass).

    Either ``upstream`` is the name of one, ``host`` is what $proxy_host says, and ``uri`` replaces
    the location's path in the request's (empty: the request's target goes on as it is). Or ``url``
    is evaluated for each request, as in ``http://$backend:8080``; then it names an upstream or a
    host. Certificates of hosts that are no upstream's are verified with ``tls_verify``.
    """

    upstream: str = ""
    host: str = ""
    uri: str = ""
    url: Words = ()
    tls_verify: bool = True


class Action(_Struct, frozen=True, kw_only=True):
    """What is done with requests once their location is known; all of it, nothing is inherited.

    They are passed on (``forward``), or go on to another path, a named location or a status
    (``otherwise``, as in nginx's try_files with no file found), or get the number of connections
    (``stub_status``), or a 404.
    """

    forward: Pass | None = None
    otherwise: Words = ()
    stub_status: bool = False
    # Where they are logged, by name.
    access_logs: tuple[Text, ...] = ()
    # Who may come: the first that is about the client's address counts (nginx: allow, deny).
    access: tuple[Annotated[Access, read_access], ...] = ()
    # A larger body gets a 413; 0: no limit. nginx: client_max_body_size.
    max_body: Size = 0
    set_headers: tuple[HeaderLine, ...] = ()
    add_headers: tuple[AddedHeader, ...] = ()
    # Of the upstream's answers; names in lower case.
    hide_headers: tuple[Annotated[str, read_header], ...] = ()
    # Of Location and Refresh. nginx: proxy_redirect.
    redirects: tuple[Replacement, ...] = ()
    # Of the attributes of Set-Cookie. nginx: proxy_cookie_domain, proxy_cookie_path.
    cookie_domains: tuple[Replacement, ...] = ()
    cookie_paths: tuple[Replacement, ...] = ()
    error_pages: tuple[ErrorPage, ...] = ()
    # Whether they are for errors of the upstream too. nginx: proxy_intercept_errors.
    intercept_errors: bool = False
    # Content-Type of answers that are texts of ours. nginx: default_type.
    default_type: Text = "text/plain"
    # How a path becomes the Location of a redirect, as nginx's directives of these names say.
    absolute_redirect: bool = True
    port_in_redirect: bool = True
    server_name_in_redirect: bool = False
    # Those of the configuration, if there are none.
    timeouts: Timeouts | None = None
    next_upstream: NextUpstream = NextUpstream()


class Step(_Struct, frozen=True, kw_only=True):
    """One thing to do with a request before it is passed on (nginx's rewrite module).

    ``set`` gives the variable ``name`` a ``value``. ``rewrite`` puts ``value`` in place of a path
    that ``pattern`` matches, and goes ``on`` or does what nginx's flag says. ``return`` answers
    with ``status`` and, as text or Location, with ``value``. ``break`` ends the steps. ``if`` does
    its own ``steps`` and changes to its ``action`` when the ``test`` of ``value`` holds: against
    ``operand``, with ``~`` and its like against ``pattern``, or with ``-f`` (a file), ``-d`` (a
    folder), ``-e`` (either) and ``-x`` (an executable one) of what the path leads to now.
    """

    do: Literal["set", "rewrite", "return", "break", "if"]
    name: Name | None = None
    value: Words = ()
    pattern: str = ""
    then: Literal["on", "last", "break", "redirect", "permanent"] = "on"
    status: Annotated[int, Meta(ge=0, le=999)] = 0
    test: Literal[
        "set", "=", "!=", "~", "~*", "!~", "!~*", "-f", "-d", "-e", "-x", "!-f", "!-d", "!-e", "!-x"
    ] = "set"
    operand: Words = ()
    steps: tuple["Step", ...] = ()
    action: Action | None = None


class OtherMethods(_Struct, frozen=True, kw_only=True):
    """What is done with requests of methods other than ``methods`` (nginx: limit_except)."""

    methods: tuple[Text, ...]
    action: Action


class Location(_Struct, frozen=True, kw_only=True):
    """Which of a site's requests are treated alike.

    ``match`` is how ``path`` is compared with the request's path, which is decoded, and has no
    dot segments and no doubled slashes: as a "prefix", as the whole ("exact"), or as a "regex".
    An exact location comes first. Else the longest prefix counts, unless a pattern matches: then
    the first that does, if the prefix is no "prefix_first". Within the location that was found
    its own ``locations`` are looked at likewise. A "named" location serves none but those sent to
    it. An ``internal`` one is a 404 to clients. In nginx: ``location`` with nothing, ``=``,
    ``^~``, ``~``, ``~*`` and ``@``.
    """

    match: Literal["prefix", "prefix_first", "exact", "regex", "regex_nocase", "named"] = "prefix"
    path: Text
    internal: bool = False
    steps: tuple[Step, ...] = ()
    action: Action = Action()
    other_methods: OtherMethods | None = None
    locations: tuple["Location", ...] = ()


class RealAddress(_Struct, frozen=True, kw_only=True):
    """A header whose address is the client's when a peer in ``trusted`` sends it.

    It is the last address in it, or with ``recursive`` the last that is not trusted. The header
    ``proxy_protocol`` is the PROXY header of the connection. nginx: real_ip_header,
    set_real_ip_from, real_ip_recursive.
    """

    trusted: tuple[Network, ...]
    header: Annotated[str, read_header] = "x-real-ip"
    recursive: bool = False


class Site(_Struct, frozen=True, kw_only=True):
    """A virtual server, as nginx has them.

    ``addresses`` are those that it is asked at, of all listeners if there are none. Of the sites
    at an address the one is asked whose ``hosts`` have the request's: exactly, by the longest
    ``*.name``, by the longest ``name.*``, or by the first ``~pattern``, in this order; else the
    one that has the address in ``default_at``, or the first. ``name`` is what $server_name says.
    ``steps`` are done before a location is looked for; ``action`` is for where none is found.
    """

    addresses: tuple[Annotated[Address, read_listen_address], ...] = ()
    default_at: tuple[Annotated[Address, read_listen_address], ...] = ()
    hosts: tuple[Annotated[str, read_site_host], ...] = ()
    name: str = ""
    real_address: RealAddress | None = None
    steps: tuple[Step, ...] = ()
    action: Action = Action()
    locations: tuple[Location, ...] = ()


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
    file: Text | None = None  # by default stderr; opened again by SIGUSR1 and by a reload


class Admin(_Struct, frozen=True, kw_only=True):
    """An HTTP listener for those who watch: /metrics, /healthz and /readyz."""

    # Whoever reaches it may read it; None: there is none.
    listen: Annotated[Address | None, read_listen_address] = None


class Config(_Struct, frozen=True, kw_only=True):
    """Everything a worker needs to know.

    The forwarding headers of a downstream in ``trusted_proxies`` are believed; by default nobody's
    are. Requests go by ``routes``, or by ``sites`` with the variables of ``maps``, which log to
    ``access_logs``. ``workers`` is the number of processes; 0: one per core (nginx:
    worker_processes auto); with ``pin_workers`` each stays on a core of its own. ``driver`` moves
    the bytes of tunnels; ``auto`` is the fastest that works here. ``pid`` is a file for the
    process's number, and ``control`` the path of the Unix socket for commands: by default one in
    the runtime directory.
    """

    listeners: tuple[Listener, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    routes: tuple[Route, ...] = ()
    sites: tuple[Site, ...] = ()
    maps: tuple[Map, ...] = ()
    access_logs: tuple[AccessLog, ...] = ()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    drain: Drain = Drain()
    log: Log = Log()
    trusted_proxies: tuple[Network, ...] = ()
    workers: Annotated[int, read_workers] = 0
    pin_workers: bool = False
    driver: Driver = "auto"
    pid: Text | None = None
    control: Text | None = None
    admin: Admin = Admin()
