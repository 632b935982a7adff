"""Bare sockets, with each driver that works here: `_sockets`, `_epoll` and `_uring`."""

from __future__ import annotations

import errno
import gc
import os
import random
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
import support.sockets
import uvloop
from support.drivers import why_not
from support.frames import BINARY, CLOSE
from support.sockets import PATIENCE, Recorder, Stage, give, shrink_descriptor, take

from fastws._driver import Driver
from fastws._relay import Ending
from fastws.errors import FastwsError
from fastws.proxy.drivers import bare_sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastws._driver import LegTunnel

KIB = 1 << 10
MIB = 1 << 20

# One buffer that is read into, what may be queued, the systems' four buffers, and a margin.
MOST_HELD = 512 * KIB


@pytest.fixture(params=["uring", "epoll"])
def name(request: pytest.FixtureRequest) -> str:
    loop = uvloop.new_event_loop()
    try:
        bare_sockets(request.param, Driver(loop))
    except FastwsError as error:
        pytest.skip(str(error))
    finally:
        loop.close()
    return request.param


@pytest.fixture
def stage(name: str, tmp_path: Path) -> Iterator[Stage]:
    """TCP; at the end no fault was told, and no request is under way."""
    with Stage(name, tmp_path) as running:
        yield running
    assert running.faults == []


@pytest.fixture(params=["tcp", "unix"])
def either(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    with Stage(name, tmp_path, unix=request.param == "unix") as running:
        yield running
    assert running.faults == []


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def same(got: bytes, sent: bytes) -> bool:
    """Whether they are; pytest would take minutes to show how much they differ."""
    return got == sent


# -- a transport, while HTTP is spoken ----------------------------------------------------------


def test_what_is_written_arrives_whole_and_in_order(either: Stage) -> None:
    wire, protocol = either.accepted()
    shrink_descriptor(protocol.transport.fileno())
    data = noise(MIB)
    at = 0
    while at < len(data):
        size = random.Random(at).choice((1, 100, 5000, 70_000))
        protocol.transport.write(data[at : at + size])
        at += size
    assert protocol.transport.get_write_buffer_size() > MIB // 2
    assert same(either.receive(wire, MIB, sip=3000), data)
    either.until(lambda: protocol.said == ["made", "pause", "resume"])
    assert protocol.transport.get_write_buffer_size() == 0
    wire.close()


def test_what_comes_is_received_whole_and_in_order(either: Stage) -> None:
    wire, protocol = either.accepted()
    data, at = noise(MIB), 0

    def all_there() -> bool:
        nonlocal at
        at += give(wire, data[at:])
        return len(protocol.data) == MIB

    either.until(all_there)
    assert same(protocol.data, data)
    wire.close()


def test_close_sends_what_is_queued_first(either: Stage) -> None:
    wire, protocol = either.accepted()
    shrink_descriptor(protocol.transport.fileno())
    data = noise(300 * KIB)
    protocol.transport.write(data)
    protocol.transport.close()
    protocol.transport.write(b"too late")
    either.run()
    assert "lost" not in protocol.said
    assert same(either.rest(wire), data)
    either.until(lambda: protocol.over)
    assert protocol.error is None
    wire.close()


def test_abort_drops_what_is_queued(either: Stage) -> None:
    wire, protocol = either.accepted()
    shrink_descriptor(protocol.transport.fileno())
    protocol.transport.write(noise(300 * KIB))
    protocol.transport.abort()
    protocol.transport.write(b"too late")
    assert "lost" not in protocol.said
    either.until(lambda: protocol.over)
    assert protocol.transport.fileno() == -1
    assert len(either.rest(wire)) < 100 * KIB
    wire.close()


def test_a_closed_transport_takes_calls_in_silence(stage: Stage) -> None:
    wire, protocol = stage.accepted()
    protocol.transport.abort()
    stage.until(lambda: protocol.over)
    for call in ("close", "abort", "write_eof", "pause_reading", "resume_reading"):
        getattr(protocol.transport, call)()
    protocol.transport.write(b"x" * MIB)
    stage.run()
    assert protocol.said == ["made", "lost"]
    wire.close()


def test_the_end_of_file_goes_behind_what_is_queued_and_the_other_half_goes_on(
    either: Stage,
) -> None:
    wire, protocol = either.accepted()
    shrink_descriptor(protocol.transport.fileno())
    data = noise(300 * KIB)
    protocol.transport.write(data)
    protocol.transport.write_eof()
    protocol.transport.write(b"too late")
    assert same(either.rest(wire), data)
    give(wire, b"still here")
    either.until(lambda: protocol.data == b"still here")
    wire.half_close()
    either.until(lambda: "eof" in protocol.said)
    wire.close()


def test_an_end_of_file_that_nobody_wants_closes_behind_what_is_queued(either: Stage) -> None:
    wire, protocol = either.accepted()
    shrink_descriptor(protocol.transport.fileno())
    protocol.eof_received = lambda: None
    data = noise(300 * KIB)
    protocol.transport.write(data)
    wire.half_close()
    assert same(either.rest(wire), data)
    either.until(lambda: protocol.over)
    wire.close()


@pytest.mark.parametrize("ending", ["close", "write_eof"])
def test_what_is_written_when_there_is_room_again_goes_before_the_end(
    either: Stage, ending: str
) -> None:
    """The protocol writes the rest and ends, in the very call that tells it to go on."""
    wire, protocol = either.accepted()
    shrink_descriptor(protocol.transport.fileno())
    first, rest = noise(200 * KIB, 1), noise(200 * KIB, 2)

    def resume_writing() -> None:
        protocol.transport.write(rest)
        getattr(protocol.transport, ending)()

    protocol.resume_writing = resume_writing
    protocol.transport.write(first)
    assert same(either.rest(wire), first + rest)
    wire.close()


def test_a_pause_holds_what_comes_until_reading_goes_on(either: Stage) -> None:
    wire, protocol = either.accepted()
    for number in range(20):
        protocol.transport.pause_reading()
        either.run(0.002)
        give(wire, b"%02d" % number)
        either.run(0.002)
        assert len(protocol.data) == 2 * number
        protocol.transport.resume_reading()
        either.until(lambda: len(protocol.data) == 2 * number + 2)  # noqa: B023
    # On and off without a turn between
    for _ in range(5):
        protocol.transport.pause_reading()
        protocol.transport.resume_reading()
    give(wire, b"end")
    either.until(lambda: protocol.data.endswith(b"end"))
    wire.close()


def test_what_was_sent_before_a_close_is_read_after_a_pause(either: Stage) -> None:
    """Both halves are over, nobody reads at the time, and nothing is lost."""
    wire, protocol = either.accepted()
    protocol.transport.write_eof()
    protocol.transport.pause_reading()
    either.run(0.01)
    sent = give(wire, b"x" * 1000)
    wire.close()
    either.run()
    assert "lost" not in protocol.said
    protocol.transport.resume_reading()
    either.until(lambda: "eof" in protocol.said or protocol.over)
    assert len(protocol.data) == sent == 1000


def test_a_reset_ends_the_connection_with_its_error(stage: Stage) -> None:
    wire, protocol = stage.accepted()
    wire.reset()
    stage.until(lambda: protocol.over)
    assert isinstance(protocol.error, ConnectionResetError)


def test_a_tunnel_gives_up_a_stalled_peer_before_the_system_does(stage: Stage) -> None:
    wire, protocol = stage.accepted()
    with wire, socket.socket(fileno=os.dup(protocol.transport.fileno())) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == (60 + 2) * 1000


def test_many_connections_end_in_every_way_at_once(either: Stage) -> None:
    pairs = [either.accepted() for _ in range(60)]
    for number, (wire, protocol) in enumerate(pairs):
        protocol.transport.write(noise(40 * KIB, number))
        give(wire, b"hello")
        (wire.close, wire.reset, wire.half_close, lambda: None)[number % 4]()
        (protocol.transport.abort, protocol.transport.close, lambda: None)[number % 3]()
    either.run()
    for wire, protocol in pairs:
        wire.close()
        protocol.transport.abort()
    either.until(lambda: all(protocol.over for _, protocol in pairs))
    assert all(protocol.said.count("lost") == 1 for _, protocol in pairs)


# -- reentrancy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["abort", "close"])
def test_a_callback_may_end_its_own_and_all_other_connections(either: Stage, ending: str) -> None:
    """All of them have something to say in the same turn; one callback ends them all."""
    pairs = [either.accepted() for _ in range(20)]

    def end_all(_data: bytes) -> None:
        for _, protocol in pairs:
            getattr(protocol.transport, ending)()

    for wire, protocol in pairs:
        protocol.data_received = end_all
        give(wire, b"x")
    either.sockets.turn()
    either.until(lambda: all(protocol.over for _, protocol in pairs))
    for wire, _ in pairs:
        wire.close()


def test_a_connection_that_is_lost_may_make_another(stage: Stage) -> None:
    wire, protocol = stage.accepted()
    again = Recorder()
    with stage.listening("again") as listener:

        def connection_lost(_exc: BaseException | None) -> None:
            protocol.said.append("lost")
            stage.sockets.connect(stage.packed(listener), again, 60)

        protocol.connection_lost = connection_lost
        wire.close()
        stage.until(lambda: "eof" in protocol.said)
        protocol.transport.close()
        stage.until(lambda: again.said)
    assert again.said[0] == "made"
    again.transport.abort()
    stage.until(lambda: again.over)


@pytest.mark.parametrize(
    "callback", ["connection_made", "data_received", "eof_received", "connection_lost"]
)
@pytest.mark.parametrize("before", ["", "abort", "close"])
def test_a_protocol_that_raises_loses_its_connection_only(
    name: str, tmp_path: Path, callback: str, before: str
) -> None:
    class Faulty(Recorder):
        def fail(self, *arguments: Any) -> None:
            getattr(Recorder, callback)(self, *arguments)
            if before:
                getattr(self.transport, before)()
            raise RuntimeError(callback)

    setattr(Faulty, callback, Faulty.fail)
    with Stage(name, tmp_path) as stage:
        other, bystander = stage.accepted()
        stage.factory = Faulty
        wire, protocol = stage.accepted()
        with suppress(BrokenPipeError, ConnectionResetError):
            give(wire, b"hello")
        stage.until(lambda: protocol.data or protocol.over)
        wire.close()
        if callback == "connection_lost":
            protocol.transport.abort()
        stage.until(lambda: stage.faults)
        protocol.transport.abort()
        stage.until(lambda: protocol.over)
        give(other, b"undisturbed")
        stage.until(lambda: bystander.data == b"undisturbed")
        other.close()
    assert {repr(fault) for fault in stage.faults} == {repr(RuntimeError(callback))}


def test_a_protocol_that_raises_when_it_gets_its_connection_loses_it(
    name: str, tmp_path: Path
) -> None:
    """A Unix socket is connected before `connect` returns."""

    class Faulty(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            raise RuntimeError

    protocol = Faulty()
    with Stage(name, tmp_path, unix=True) as stage:
        with stage.listening("somebody") as listener:
            stage.sockets.connect(stage.packed(listener), protocol, 60)
            stage.until(lambda: protocol.over)
    assert protocol.said == ["made", "lost"]
    assert protocol.transport.fileno() == -1
    assert [type(fault) for fault in stage.faults] == [RuntimeError]


def test_a_factory_that_raises_loses_the_connection_and_not_the_listener(
    name: str, tmp_path: Path
) -> None:
    with Stage(name, tmp_path) as stage:
        stage.factory = lambda: Recorder(1)  # type: ignore[call-arg]
        with socket.create_connection(stage.place) as client:
            stage.until(lambda: stage.faults)
            client.settimeout(PATIENCE)
            assert client.recv(1) == b""
        stage.made.clear()
        stage.factory = Recorder
        wire, _ = stage.accepted()
        wire.close()
    assert [type(fault) for fault in stage.faults] == [TypeError]


# -- connecting ---------------------------------------------------------------------------------


def test_a_connection_is_made(either: Stage) -> None:
    wire, protocol = either.connected()
    protocol.transport.write(b"request")
    assert either.receive(wire, 7) == b"request"
    give(wire, b"answer")
    either.until(lambda: protocol.data == b"answer")
    wire.close()
    either.until(lambda: "eof" in protocol.said)
    protocol.transport.close()
    either.until(lambda: protocol.over)


def test_a_refused_connection_is_told(stage: Stage) -> None:
    protocol = Recorder()
    with stage.listening("nobody") as listener:
        place = stage.packed(listener)
    try:
        stage.sockets.connect(place, protocol, 60)
    except ConnectionRefusedError:
        return
    stage.until(lambda: protocol.over)
    assert protocol.said == ["failed"]
    assert isinstance(protocol.error, ConnectionRefusedError)


@contextmanager
def unanswering(stage: Stage) -> Iterator[bytes]:
    """The address of a listener whose backlog is full: a connection neither fails nor is made."""
    with stage.listening("full", backlog=0) as listener:
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield stage.packed(listener)
        for filler in fillers:
            filler.close()


def test_an_attempt_may_be_given_up(stage: Stage) -> None:
    protocol = Recorder()
    with unanswering(stage) as place:
        attempt = stage.sockets.connect(place, protocol, 60)
        stage.run()
        assert protocol.said == []
        attempt.abort()
        stage.until(lambda: protocol.over)
    assert protocol.said == ["failed"]
    assert attempt.fileno() == -1


def test_an_attempt_may_be_given_up_at_once(stage: Stage) -> None:
    protocol = Recorder()
    with unanswering(stage) as place:
        stage.sockets.connect(place, protocol, 60).abort()
        stage.until(lambda: protocol.over)
    assert protocol.said == ["failed"]


def test_an_attempt_ends_when_its_time_is_up(stage: Stage) -> None:
    protocol = Recorder()
    with unanswering(stage) as place:
        stage.sockets.connect(place, protocol, 0.3)
        stage.until(lambda: protocol.over)
    assert isinstance(protocol.error, TimeoutError)


@contextmanager
def descriptors(more: int) -> Iterator[None]:
    """No more than so many may be opened."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()  # what earlier tests left would make room when it is collected
    probes = [os.open(os.devnull, os.O_RDONLY) for _ in range(more + 1)]
    for probe in probes:
        os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probes[-1], limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_without_descriptors_a_connection_fails_at_once(stage: Stage) -> None:
    with stage.listening("somebody") as listener:
        place = stage.packed(listener)
        with descriptors(0), pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            stage.sockets.connect(place, Recorder(), 60)


def test_without_descriptors_clients_wait_until_there_are_some(stage: Stage) -> None:
    with socket.socket() as client:
        with descriptors(0):
            client.connect(stage.place)
            stage.acceptor.accept()
            assert stage.made == []
        stage.until(lambda: stage.made and stage.made[0].said == ["made"])


# -- tunnels ------------------------------------------------------------------------------------


def frames_of(wire: Any, seed: int, count: int = 60) -> bytes:
    """Frames of many sizes, masked with zeros by a client."""
    chance = random.Random(seed)
    sizes = [int(2 ** chance.uniform(0, 17)) for _ in range(count)] + [0, 125, 126, 65535, 65536]
    chance.shuffle(sizes)
    return b"".join(wire.frame(BINARY, noise(size, size)) for size in sizes)


@pytest.mark.parametrize("seed", range(4))
def test_a_tunnel_carries_both_directions_whole_and_in_order(either: Stage, seed: int) -> None:
    with either.tunnel() as (client, server, _):
        up, down = frames_of(client, seed), frames_of(server, seed + 100)
        chance = random.Random(seed)
        sent = [0, 0]
        got = [bytearray(), bytearray()]

        def step() -> bool:
            for number, (source, sink, data) in enumerate(
                ((client, server, up), (server, client, down))
            ):
                some = chance.choice((1, 50, 1280, 5000, 200_000))
                sent[number] += give(source, data[sent[number] : sent[number] + some])
                if chance.random() < 0.7:
                    got[number] += take(sink, some) or b""
            return len(got[0]) == len(up) and len(got[1]) == len(down)

        either.until(step)
        assert same(got[0], up)
        assert same(got[1], down)


@pytest.mark.parametrize("size", [100, 1280, 60_000])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_reader_that_does_not_read_holds_the_sender(
    either: Stage, direction: str, size: int
) -> None:
    with either.tunnel() as (client, server, _):
        source, sink = (client, server) if direction == "up" else (server, client)
        message = source.frame(BINARY, noise(size))
        sent = either.flood(source, message)
        assert sent < MOST_HELD, "the sender is not held"
        data = message * (sent // len(message) + 1)
        # The message that was cut by the full pipe is completed behind.
        rest, got = data[sent:], bytearray()

        def step() -> bool:
            nonlocal rest
            rest = rest[give(source, rest) :]
            got.extend(take(sink, 3000) or b"")
            return len(got) == len(data)

        either.until(step)
        assert same(got, data)


def test_a_held_tunnel_goes_on_in_the_other_direction(either: Stage) -> None:
    with either.tunnel() as (client, server, _):
        either.flood(client, client.frame(BINARY, noise(1000)))
        for number in range(50):
            message = server.frame(BINARY, b"down %d" % number)
            give(server, message)
            assert either.receive(client, len(message)) == message


def turns_until(stage: Stage, condition: Callable[[], object]) -> int:
    """How many turns of the driver alone it takes."""
    for turn in range(1, 100):
        stage.sockets.turn()
        if condition():
            return turn
    raise AssertionError("it never happened")


@pytest.mark.parametrize("size", [100, 100_000])
def test_floods_do_not_delay_another_tunnel(name: str, tmp_path: Path, size: int) -> None:
    """Counted in turns of the driver, each of which is bounded."""
    with Stage(name, tmp_path) as stage:
        many = [stage.tunnel() for _ in range(5)]
        floods = [one.__enter__() for one in many]
        with stage.tunnel() as (client, server, _):
            for sender, receiver, _ in floods:
                for wire in (sender, receiver):
                    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB // 4)
                    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB // 4)
                stage.flood(sender, sender.frame(BINARY, noise(size)))
            for sender, receiver, _ in floods:
                take(receiver, 10 * MIB)
                give(sender, sender.frame(BINARY, noise(size)) * 100)
            message = client.frame(BINARY, b"hello")
            give(client, message)
            got: list[bytes] = []

            def arrived() -> bool:
                if data := take(server, 100):
                    got.append(data)
                return bool(got)

            assert turns_until(stage, arrived) <= 3
            assert got == [message]
        for one in many:
            one.__exit__(None, None, None)


def test_a_turn_takes_no_more_than_its_share_of_bulk(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that others of the loop, such as who accepts, get their turn."""
    for each in ("shrink", "shrink_descriptor"):
        monkeypatch.setattr(f"support.sockets.{each}", lambda _: None)
    with Stage(name, tmp_path) as stage, ExitStack() as stack:
        tunnels = [stack.enter_context(stage.tunnel()) for _ in range(30)]
        message = tunnels[0][0].frame(BINARY, noise(50_000)) * 100
        sent = [0] * len(tunnels)
        for _ in range(8):
            for number, (client, _, _) in enumerate(tunnels):
                while count := give(client, message[sent[number] % len(message) :]):
                    sent[number] += count
            stage.sockets.turn()
            taken = 0
            for _, server, _ in tunnels:
                while data := take(server, MIB):
                    taken += len(data)
            # The reads of a turn, one more for each tunnel, and what was queued before.
            assert taken <= (128 + 2 * len(tunnels)) * 128 * KIB


@pytest.mark.parametrize("direction", ["up", "down"])
def test_what_was_sent_before_an_end_arrives_late_but_whole(either: Stage, direction: str) -> None:
    """The reader half-closed before; the sender fills the tunnel and closes; then it is read."""
    with either.tunnel() as (client, server, passage):
        source, sink = (client, server) if direction == "up" else (server, client)
        sink.half_close()
        either.until(lambda: take(source, 1000) == b"")
        message = source.frame(BINARY, noise(1000))
        sent = either.flood(source, message)
        source.close()
        either.run()
        got = either.rest(sink)
        assert same(got[:sent], (message * (sent // len(message) + 1))[:sent])
        either.until(lambda: passage.report)


def test_half_closes_in_both_directions_end_a_tunnel(either: Stage) -> None:
    with either.tunnel() as (client, server, passage):
        client.half_close()
        assert either.rest(server) == b""
        message = server.frame(BINARY, b"answer")
        give(server, message)
        assert either.receive(client, len(message)) == message
        server.half_close()
        assert either.rest(client) == b""
        either.until(lambda: passage.report)


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("size", [0, 100, 60_000])
def test_a_reset_in_mid_flood_ends_a_tunnel(stage: Stage, who: str, size: int) -> None:
    with stage.tunnel(linger=0.2) as (client, server, passage):
        if size:
            stage.flood(client, client.frame(BINARY, noise(size)))
            stage.flood(server, server.frame(BINARY, noise(size)))
        (client if who == "client" else server).reset()
        stage.rest(server if who == "client" else client)
        (server if who == "client" else client).close()
        stage.until(lambda: passage.report)


def test_tunnels_are_aborted_in_mid_flood(either: Stage) -> None:
    with either.tunnel() as (client, server, passage):
        either.flood(client, client.frame(BINARY, noise(1000)))
        either.flood(server, server.frame(BINARY, noise(70_000)))
        either.driver.abort()
        assert passage.report is None
        either.until(lambda: passage.report)
        assert len(either.driver) == 0


# -- a kernel that is out of memory -------------------------------------------------------------


# Fills the ring with requests while the kernel takes none, and asks for more.
REFUSING = """
import ctypes, sys
from pathlib import Path
from support.sockets import Stage, give

kernel = ctypes.c_int.in_dll(ctypes.CDLL(None), "refusals")
stage = Stage("uring", Path(sys.argv[1]))
made = [stage.accepted() for _ in range(4)]
stage.run()
kernel.value = 1 << 30
first = made[0][1].transport
try:
    while True:
        first.pause_reading()
        first.resume_reading()
except BlockingIOError as error:
    print(error)
for number, (_, protocol) in enumerate(made):
    protocol.transport.write(b"%d" % number)
stage.run()
made[3][1].transport.abort()
stage.run()
kernel.value = 0
first.resume_reading()
stage.until(lambda: made[3][1].over)
print([stage.receive(wire, 1) for wire, _ in made])
for wire, protocol in made[:3]:
    give(wire, b"here")
    stage.until(lambda: protocol.data == b"here")
stage.__exit__(None, None, None)
print("faults:", stage.faults)
"""


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Stage]:
    """A stage of the driver that has requests."""
    if why := why_not("uring"):
        pytest.skip(why)
    with Stage("uring", tmp_path) as running:
        yield running


@pytest.mark.usefixtures("ring")
def test_what_the_kernel_does_not_take_now_it_takes_later(tmp_path: Path) -> None:
    shim = tmp_path / "refusing.so"
    source = Path(support.sockets.__file__).with_name("refusing.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    preload = f"{os.environ.get('LD_PRELOAD', '')} {shim}".strip()
    done = subprocess.run(
        [sys.executable, "-P", "-c", REFUSING, tmp_path],
        env={**os.environ, "LD_PRELOAD": preload, "PYTHONPATH": str(source.parents[1])},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"[Errno {errno.EAGAIN}] {os.strerror(errno.EAGAIN)}",
        "[b'0', b'1', b'2', b'']",
        "faults: []",
    ]


def spoil(fd: int) -> None:
    """Let the descriptor be one that nothing can be asked of."""
    place = os.open(os.devnull, os.O_PATH)
    os.dup2(place, fd)
    os.close(place)


def test_a_connection_that_the_kernel_does_not_watch_fails(ring: Stage) -> None:
    protocol = Recorder()
    with unanswering(ring) as place:
        spoil(ring.sockets.connect(place, protocol, 60).fileno())
        ring.until(lambda: protocol.over)
    assert protocol.said == ["failed"]
    assert isinstance(protocol.error, OSError)


def test_a_leg_of_bulk_that_the_kernel_does_not_watch_ends_its_tunnel(ring: Stage) -> None:
    with ring.tunnel() as (client, server, passage):
        give(client, client.header(BINARY, MIB))
        ring.flood(client, bytes(2000))
        (tunnel,) = ring.driver.tunnels()
        spoil(tunnel.descriptors[0])
        ring.rest(server)
        server.close()
        ring.until(lambda: passage.report)


@contextmanager
def spoilt_rings() -> Iterator[None]:
    """Nothing can be asked of a ring meanwhile."""
    kept = {fd: os.dup(fd) for fd in map(int, os.listdir("/proc/self/fd")) if is_ring(fd)}  # noqa: PTH208
    for fd in kept:
        spoil(fd)
    try:
        yield
    finally:
        for fd, duplicate in kept.items():
            os.dup2(duplicate, fd)
            os.close(duplicate)


def is_ring(fd: int) -> bool:
    """Whether it is one of ours: the loop has its own, which are smaller."""
    with suppress(FileNotFoundError):  # the folder's own
        return "SqMask:\t0x3ff" in Path(f"/proc/self/fdinfo/{fd}").read_text()
    return False


def test_a_turn_that_fails_strands_nobody(ring: Stage) -> None:
    with ring.tunnel() as (first, first_server, _), ring.tunnel() as (second, second_server, _):
        message = first.frame(BINARY, b"hello")
        with spoilt_rings():
            give(first, message)
            give(second, message)
            ring.until(lambda: len(ring.faults) >= 2)
        for server in (first_server, second_server):
            assert ring.receive(server, len(message)) == message
    assert {type(fault) for fault in ring.faults} == {OSError}


def test_the_last_bytes_and_the_end_leave_together(ring: Stage) -> None:
    wire, protocol = ring.accepted()
    protocol.transport.write(b"bye")
    protocol.transport.write_eof()
    assert ring.receive(wire, 3) == b"bye"
    assert take(wire, 1) == b""
    wire.close()


def test_the_last_close_frame_and_the_end_leave_together(ring: Stage) -> None:
    with ring.tunnel() as (client, server, passage):
        give(client, client.frame(CLOSE, b"\x03\xe8"))
        ring.until(lambda: take(server, 100))
        frame = server.frame(CLOSE, b"\x03\xe8")
        give(server, frame)
        assert ring.receive(client, len(frame)) == frame
        assert take(client, 1) == b""
        server.close()
        ring.until(lambda: passage.report)


# -- tunnels that move --------------------------------------------------------------------------


class Another:
    """The sockets of a second driver on the stage's loop, as those of another process."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.driver = Driver(stage.loop, interval=0.05)
        sockets = bare_sockets(name, self.driver)
        assert sockets is not None
        self.sockets = sockets

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.abort()
        self.stage.until(lambda: not len(self.driver) and not getattr(self.sockets, "in_flight", 0))


@pytest.fixture(params=["uring", "epoll"])
def another(either: Stage, request: pytest.FixtureRequest) -> Iterator[Another]:
    with Another(either, request.param) as another:
        yield another


def at_rest(stage: Stage) -> LegTunnel:
    """The stage's only tunnel, when nothing is under way for it any more."""
    (tunnel,) = stage.driver.tunnels()
    told: list[bool] = []
    tunnel.rest(lambda: told.append(True))
    assert told == []
    stage.until(lambda: told)
    return tunnel


def adopted(tunnel: LegTunnel, into: Stage | Another) -> LegTunnel:
    """The tunnel at rest, at rest there."""
    legs = [
        into.sockets.adopt(os.dup(fd), queued)
        for fd, queued in zip(tunnel.descriptors, tunnel.queued, strict=True)
    ]
    state = tunnel.state(into.driver.loop.time())
    return into.driver.adopt(state, *legs, passage=tunnel.passage)


def move(stage: Stage, source: Stage | Another, into: Stage | Another) -> None:
    (tunnel,) = source.driver.tunnels()
    told: list[bool] = []
    tunnel.rest(lambda: told.append(True))
    stage.until(lambda: told)
    assert tunnel.resting
    moved = adopted(tunnel, into)
    tunnel.leave()
    assert len(source.driver) == 0
    moved.go_on()


@pytest.mark.parametrize("seed", range(2))
def test_a_tunnel_moves_to_and_fro_and_nothing_is_lost(
    either: Stage, another: Another, seed: int
) -> None:
    with either.tunnel() as (client, server, passage):
        up, down = frames_of(client, seed, 20), frames_of(server, seed + 100, 20)
        chance = random.Random(seed)
        sent = [0, 0]
        got = [bytearray(), bytearray()]
        places: list[Stage | Another] = [either, another]
        moves = 0
        while len(got[0]) < len(up) or len(got[1]) < len(down):
            for number, (source, sink, data) in enumerate(
                ((client, server, up), (server, client, down))
            ):
                some = chance.choice((1, 50, 1280, 5000, 200_000))
                sent[number] += give(source, data[sent[number] : sent[number] + some])
                if chance.random() < 0.6:
                    got[number] += take(sink, some) or b""
            if chance.random() < 0.3:
                move(either, *places)
                places.reverse()
                moves += 1
            either.run(0)
        assert moves > 20
        assert same(got[0], up)
        assert same(got[1], down)
        assert passage.report is None
        client.close()
        either.until(lambda: passage.report)
        assert passage.report.upward.forwarded == len(up)
        assert passage.report.downward.forwarded == len(down)


def test_what_is_queued_moves_with_a_tunnel(either: Stage, another: Another) -> None:
    with either.tunnel() as (client, server, _):
        message = client.frame(BINARY, noise(1000))
        sent = either.flood(client, message)
        tunnel = at_rest(either)
        assert tunnel.queued[0] == b""
        assert tunnel.queued[1]
        moved = adopted(tunnel, another)
        assert moved.queued == tunnel.queued
        tunnel.leave()
        moved.go_on()
        place = sent % len(message)
        sent += either.flood(client, message[place:] + message[:place])
        assert sent < MOST_HELD, "the sender is not held"
        data = message * (sent // len(message) + 1)
        rest = data[sent:]
        got = bytearray()

        def step() -> bool:
            nonlocal rest
            rest = rest[give(client, rest) :]
            got.extend(take(server, 3000) or b"")
            return len(got) == len(data)

        either.until(step)
        assert same(got, data)


def test_a_tunnel_at_rest_hears_nothing_and_no_time_passes(either: Stage) -> None:
    with either.tunnel(idle=0.1) as (client, server, passage):
        tunnel = at_rest(either)
        message = client.frame(BINARY, b"later")
        give(client, message)
        client.half_close()
        either.run(0.3)
        assert take(server, 100) is None
        tunnel.go_on()
        assert same(either.rest(server), message)
        server.close()
        either.until(lambda: passage.report)
        assert passage.report.ending == Ending.CLIENT_LOST


def test_a_close_that_a_tunnel_at_rest_is_asked_for_waits_until_it_goes_on(either: Stage) -> None:
    with either.tunnel() as (client, _, passage):
        tunnel = at_rest(either)
        tunnel.shut_down(1001, b"bye", Ending.SHUTDOWN)
        either.run()
        assert take(client, 100) is None
        tunnel.go_on()
        assert either.receive(client, 7) == b"\x88\x05\x03\xe9bye"
        give(client, client.frame(CLOSE, b"\x03\xe9"))
        either.until(lambda: passage.report)


def test_a_tunnel_that_ends_does_not_come_to_rest(either: Stage) -> None:
    with either.tunnel() as (client, server, passage):
        (tunnel,) = either.driver.tunnels()
        tunnel.shut_down(1001, b"bye", Ending.SHUTDOWN)
        at_rest(either)
        assert not tunnel.resting
        tunnel.go_on()
        tunnel.leave()
        for wire in (client, server):
            give(wire, wire.frame(CLOSE, b"\x03\xe9"))
        either.until(lambda: passage.report)


@pytest.mark.parametrize("end", ["close frame", "half-close", "reset", "shut_down", "abort"])
@pytest.mark.parametrize("turns", range(3))
def test_a_tunnel_that_ends_while_it_comes_to_rest_ends(
    either: Stage, end: str, turns: int
) -> None:
    with either.tunnel(linger=0.1) as (client, server, passage):
        (tunnel,) = either.driver.tunnels()
        told: list[bool] = []
        if end == "close frame":
            give(client, client.frame(CLOSE, b"\x03\xe8"))
        elif end == "half-close":
            client.half_close()
        elif end == "reset":
            client.reset()
        for _ in range(turns):
            either.sockets.turn()
        tunnel.rest(lambda: told.append(True))
        if end == "shut_down":
            tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        elif end == "abort":
            tunnel.abort()
        either.until(lambda: told)
        tunnel.go_on()
        got = either.receive(server, 2)
        assert got == {"close frame": b"\x88\x82", "shut_down": b"\x88\x82"}.get(end, b"")
        server.close()
        client.close()
        either.until(lambda: passage.report)


def test_a_tunnel_at_rest_may_be_aborted(either: Stage) -> None:
    with either.tunnel() as (_, server, passage):
        tunnel = at_rest(either)
        tunnel.abort()
        either.until(lambda: passage.report)
        assert either.rest(server) == b""
        assert not tunnel.resting
        tunnel.go_on()
        tunnel.leave()


def test_a_state_that_is_refused_leaves_the_connections_alone(
    either: Stage, another: Another
) -> None:
    with either.tunnel() as (client, server, passage):
        tunnel = at_rest(either)
        legs = [another.sockets.adopt(os.dup(fd), b"") for fd in tunnel.descriptors]
        state = tunnel.state(0)[:-1]
        with pytest.raises(ValueError, match="broken"):
            another.driver.adopt(state, *legs, passage=passage)
        assert len(another.driver) == 0
        del legs
        tunnel.go_on()
        message = client.frame(BINARY, b"still here")
        give(client, message)
        assert either.receive(server, len(message)) == message


def test_a_tunnel_that_does_not_leave_goes_on(either: Stage) -> None:
    with either.tunnel() as (client, server, _):
        for number in range(20):
            message = client.frame(BINARY, b"up %d" % number)
            tunnel = at_rest(either)
            give(client, message)
            assert tunnel.resting
            tunnel.go_on()
            assert either.receive(server, len(message)) == message


# -- which driver -------------------------------------------------------------------------------

# Refuses io_uring_setup(2), as the seccomp filters of container runtimes do, and asks for a driver.
REFUSED = """
import ctypes, errno, struct
import uvloop
from fastws._driver import Driver
from fastws._relay import Ending
from fastws.errors import FastwsError
from fastws.proxy.drivers import bare_sockets

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE, SETUP = 0x7FFF0000, 0x00050000 | errno.EPERM, 425
code = b"".join(struct.pack("HBBI", *each) for each in (
    (LOAD, 0, 0, 0), (JUMP_EQUAL, 0, 1, SETUP), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)))
program = ctypes.create_string_buffer(code)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(program)))
assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog, 0, 0) == 0, ctypes.get_errno()

loop = uvloop.new_event_loop()
print(bare_sockets("auto", Driver(loop)).name)
try:
    bare_sockets("uring", Driver(loop))
except FastwsError as error:
    print(error)
loop.close()
"""


def test_where_io_uring_is_refused_epoll_takes_its_place() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", REFUSED],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "epoll",
        f"driver uring does not work here: [Errno {errno.EPERM}] {os.strerror(errno.EPERM)}",
    ]
