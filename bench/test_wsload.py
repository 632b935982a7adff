"""The load generator and its backend, against an independent peer and against faults."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from .macro.errors import BenchError
from .macro.lab import Lab, Target, run_load

SECONDS = ["--seconds", "0.1", "--warmup", "0"]


def load(lab: Lab, port: int, *arguments: str) -> dict[str, Any]:
    """Load a port for a moment."""
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


def stall() -> Callable[[bytes], bytes]:
    """Hold up the first answer."""
    pauses = iter([0.08])

    def change(data: bytes) -> bytes:
        time.sleep(next(pauses, 0))
        return data

    return change


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
    """Pass both ways what comes, until the client leaves, in whichever way."""
    downstream, _ = listener.accept()
    with (
        downstream,
        socket.create_connection(("127.0.0.1", backend_port)) as upstream,
        suppress(ConnectionError),
    ):
        upstream.sendall(downstream.recv(65536))
        downstream.sendall(upstream.recv(65536))
        while True:
            ready, _, _ = select([downstream, upstream], [], [])
            if upstream in ready:
                downstream.sendall(change(upstream.recv(65536)))
            if downstream in ready:
                request = downstream.recv(65536)
                if not request:
                    return
                upstream.sendall(request)


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


def ask(lab: Lab, target: str) -> ClientConnection:
    """Ask the backend for something other than echoes; there is no use in its close frame."""
    return connect(f"ws://127.0.0.1:{lab.backend_port}{target}", close_timeout=0.1)


def test_backend_pushes_to_an_independent_client(lab: Lab) -> None:
    """Messages of one size that differ, over and over, from wherever the target says."""
    with ask(lab, "/push/125/0") as client:
        messages = [client.recv() for _ in range(10_000)]
    assert {len(one) for one in messages} == {125}
    assert len(set(messages[:4096])) == 4096
    assert messages[4096:8192] == messages[:4096]
    with ask(lab, "/push/125/4095") as client:
        assert [client.recv(), client.recv()] == [messages[4095], messages[0]]


def test_backend_fans_out_to_independent_clients(lab: Lab) -> None:
    """Whoever asks, each gets one, from its own place in the pattern."""
    with ask(lab, "/fanout/125/0") as first, ask(lab, "/fanout/125/1") as second:
        first.send("a tick, please")
        one, two = first.recv(), second.recv()
        second.send("another")
        assert (len(one), first.recv()) == (125, two)
        assert second.recv() not in (one, two)


def test_backend_refuses_a_stream_that_is_too_large(lab: Lab) -> None:
    """Streams are held in memory."""
    with pytest.raises(BenchError, match="ended in the handshake"):
        load(lab, lab.backend_port, "push", "--size", "4097")


@pytest.mark.parametrize("size", ["0", "1", "125", "126", "4096"])
@pytest.mark.parametrize("mode", ["push", "fanout"])
def test_what_the_backend_sends(lab: Lab, mode: str, size: str) -> None:
    """Every size, on more than one connection."""
    report = load(lab, lab.backend_port, mode, "--size", size, "--connections", "5")
    assert report["messages"] > 0


def test_backend_serves_plain_http_to_an_independent_client(lab: Lab) -> None:
    """It gives bodies from a place in the pattern, and takes them."""
    client = http.client.HTTPConnection("127.0.0.1", lab.backend_port)
    client.request("GET", "/get/100000/0")
    body = client.getresponse().read()
    client.request("GET", "/get/1000/1")
    shifted = client.getresponse().read()
    assert len(body) == 100_000
    assert shifted == body[61:1061]
    for _ in range(2):
        client.request("PUT", "/put/100000/0", body)
        assert client.getresponse().read() == b""
    client.request("PUT", "/put/100000/0", flip(body))
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        client.getresponse()


@pytest.mark.parametrize("size", ["0", "1", "65536", "1048576"])
@pytest.mark.parametrize("mode", ["get", "put"])
def test_plain_http_of_every_size(lab: Lab, mode: str, size: str) -> None:
    """One request after another, on more than one connection."""
    report = load(lab, lab.backend_port, mode, "--size", size, "--connections", "3")
    assert report["messages"] > 0


def test_open_loop_keeps_its_rate(lab: Lab) -> None:
    """As many messages as were due in the window, whichever connection they went out on."""
    arguments = ["--connections", "7", "--rate", "5000", "--in-flight", "1024"]
    report = load(lab, lab.backend_port, "open", *arguments)
    assert report["messages"] == pytest.approx(500, abs=1)


def test_open_loop_does_not_hide_a_stall(lab: Lab) -> None:
    """The messages that a stall held up count from when they should have gone out."""
    with relay(lab.backend_port, stall()) as port:
        report = load(lab, port, "open", "--rate", "1000", "--in-flight", "1024")
    assert report["messages"] == pytest.approx(100, abs=1)
    assert report["latency_us"]["p50"] > 10_000
    assert report["longest_us"]["p50"] >= report["latency_us"]["p99"]


def test_open_loop_ends_when_nothing_comes_back(lab: Lab) -> None:
    """It does not pile up messages for ever."""
    with (
        relay(lab.backend_port, stall()) as port,
        pytest.raises(BenchError, match="no room for more"),
    ):
        load(lab, port, "open", "--rate", "1000", "--in-flight", "10")


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


@pytest.mark.parametrize("mode", ["load", "open", "push", "fanout", "churn", "get"])
def test_every_mode_compares(lab: Lab, mode: str) -> None:
    """The changed byte may be one of a header, where frames come many at a time."""
    with relay(lab.backend_port, flip) as port, pytest.raises(BenchError, match="came back"):
        load(lab, port, mode, "--in-flight", "1024")


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
