"""The load generator and its backend, against an independent peer and against faults."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import connect

from .macro.errors import BenchError
from .macro.lab import Lab, Target, run_load

SECONDS = ["--seconds", "0.1", "--warmup", "0"]


def load(lab: Lab, port: int, *arguments: str) -> dict[str, float]:
    """Load a port with one message at a time."""
    return run_load(lab, Target(port, Path("none")), [*arguments, *SECONDS], watch=[])


def keep(data: bytes) -> bytes:
    """Change nothing."""
    return data


def flip(data: bytes) -> bytes:
    """Change the last byte, which is in a payload."""
    return data[:-1] + bytes([data[-1] ^ 1])


def shorten(data: bytes) -> bytes:
    """Announce one byte less, and send one less."""
    return bytes([data[0], data[1] - 1]) + data[2:-1]


@contextmanager
def relay(backend_port: int, change: Callable[[bytes], bytes]) -> Iterator[int]:
    """Relay one connection, and change what the backend sends after the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=relay_one, args=(listener, backend_port, change))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def relay_one(listener: socket.socket, backend_port: int, change: Callable[[bytes], bytes]) -> None:
    """Pass requests and answers by turns until the client leaves."""
    downstream, _ = listener.accept()
    with downstream, socket.create_connection(("127.0.0.1", backend_port)) as upstream:
        upstream.sendall(downstream.recv(65536))
        downstream.sendall(upstream.recv(65536))
        while request := receive(downstream):
            upstream.sendall(request)
            downstream.sendall(change(upstream.recv(65536)))


def receive(connection: socket.socket) -> bytes:
    """Read, or give nothing when the client is gone, in whichever way."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1 << 20])
def test_backend_echoes_to_an_independent_client(lab: Lab, size: int) -> None:
    """Every form of length, a text and a ping."""
    with connect(f"ws://127.0.0.1:{lab.backend_port}", max_size=None) as client:
        payload = bytes(i * 7 & 0xFF for i in range(size))
        client.send(payload)
        assert client.recv() == payload
        client.send("a text")
        assert client.recv() == "a text"
        assert client.ping(b"ping").wait(5)
    assert client.close_code == 1000


@pytest.mark.parametrize("size", ["0", "1", "125", "126", "65535", "65536", "1048576"])
@pytest.mark.parametrize("in_flight", ["1", "5"])
def test_load_of_every_size(lab: Lab, size: str, in_flight: str) -> None:
    """What is sent comes back."""
    report = load(lab, lab.backend_port, "load", "--size", size, "--in-flight", in_flight)
    assert report["messages"] > 0


def test_a_faithful_relay_passes(lab: Lab) -> None:
    """The faults below are noticed because of what they change, not of the relay."""
    with relay(lab.backend_port, keep) as port:
        assert load(lab, port, "load")["messages"] > 0


@pytest.mark.parametrize(
    ("change", "message"), [(flip, "came back different"), (shorten, "came back cut short")]
)
def test_a_fault_ends_the_run(lab: Lab, change: Callable[[bytes], bytes], message: str) -> None:
    """One wrong byte is enough."""
    with relay(lab.backend_port, change) as port, pytest.raises(BenchError, match=message):
        load(lab, port, "load")


def test_a_closed_port_ends_the_run(lab: Lab) -> None:
    """A proxy that is not there is no proxy with zeros."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(BenchError, match="Connection refused"):
        load(lab, port, "load")
