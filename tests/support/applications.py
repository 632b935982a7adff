"""Applications that people run behind proxies, as they are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.nginx import free_ports, listens
from support.waiting import PATIENCE, until
from support.web import node_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SOCKET_IO_SERVER = """
const server = require('http').createServer();
const { Server } = require('socket.io');
new Server(server).on('connection', socket =>
  socket.on('ask', (data, answer) => answer([data, server.address().port])));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
"""

# Node's client keeps no cookies by itself, so that it is told which ones.
_SOCKET_IO_CLIENT = """
const { io } = require('socket.io-client');
const [url, host] = process.argv.slice(1);
const first = { headers: { host } };
require('http').get(url + '/socket.io/?EIO=4&transport=polling', first, answer => {
  const cookie = (answer.headers['set-cookie'] ?? [''])[0].split(';')[0];
  const socket = io(url, { reconnection: false, timeout: 60000, extraHeaders: { cookie, host } });
  socket.on('connect_error', error => { console.log(error.message); process.exit(1); });
  socket.on('connect', async () => {
    const names = new Set();
    for (const size of [1, 1000, 100000]) {
      const [data, name] = await socket.timeout(60000).emitWithAck('ask', 'x'.repeat(size));
      if (data.length === size) names.add(name);
    }
    const { engine } = socket.io;
    if (engine.transport.name !== 'websocket') await new Promise(ok => engine.on('upgrade', ok));
    const bytes = Buffer.alloc(50000, 7);
    const [echo] = await socket.timeout(60000).emitWithAck('ask', bytes);
    console.log(engine.transport.name, names.size, Buffer.compare(bytes, echo));
    process.exit(0);
  });
});
"""

SOCKET_IO_TALK = "websocket 1 0"  # by one server, and what came back was what was sent


@contextmanager
def socketio_server(node_modules: Path) -> Iterator[str]:
    """npm's Socket.IO."""
    with node_program(_SOCKET_IO_SERVER, node_modules) as address:
        yield address


def socketio_talk(node_modules: Path, address: str, host: str = "a.test") -> str:
    """What npm's client says after it polled, upgraded and asked; best is `SOCKET_IO_TALK`."""
    done = subprocess.run(
        ["node", "-e", _SOCKET_IO_CLIENT, f"http://{address}", host],
        cwd=node_modules,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    return (done.stdout + done.stderr).strip()


@contextmanager
def jupyter(folder: Path) -> Iterator[str]:
    """A server of notebooks and terminals; its token is `secret`."""
    (port,) = free_ports(1)
    command = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--ServerApp.allow_root=True"),
        *(f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"),
        "--ServerApp.allow_remote_access=True",  # by other names than localhost
        "--IdentityProvider.token=secret",
    ]
    environment = {**os.environ, "HOME": str(folder)}
    environment |= {f"JUPYTER_{name}_DIR": str(folder) for name in ("CONFIG", "DATA", "RUNTIME")}
    process = subprocess.Popen(
        command,
        cwd=folder,  # where its terminals are, too
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert until(lambda: listens(port)), "jupyter_server did not come up"
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)
