"""Mixed load for minutes, every payload checked, and nothing left at the end.

    make soak SECONDS=600 DRIVER=uring

Two hundred connections (SOAK_CONNECTIONS) send messages of 0 to 1 MiB through one tunnel each,
some in fragments, some with pings between, and read what an echo server sends back; some read
slowly, or not at all for a while. They end by a close, a reset or a half-close of either side, and
others take their place. A payload is made from its connection's seed and its number, and checked
by the server and by the client.

The proxy runs in a process of its own under the real `serve`; SIGUSR1 makes it say how many
tunnels it has and how many requests of io_uring are in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import uvloop
from support import frames
from support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG
from support.raw import request, switching

from fastws.cli import main
from fastws.proxy.context import Context

MIB = 1 << 20
PATIENCE = 60.0
KEY = b"\x12\x34\x56\x78"
NOISE = random.Random(0).randbytes(2 * MIB)
# A connection's seed, a message's number, and the payload's hash go first in a message.
LABEL = struct.Struct("!QQ16s")


def payload(seed: int, number: int, size: int) -> bytes:
    start = hash((seed, number)) % MIB
    body = NOISE[start : start + size]
    digest = hashlib.blake2b(body, digest_size=16, key=struct.pack("!QQ", seed, number))
    return LABEL.pack(seed, number, digest.digest()) + body


def check(data: bytes, seed: int | None, number: int) -> int:
    """The seed of a message that must be the `number`th of its connection, and whole."""
    found, at, digest = LABEL.unpack_from(data)
    assert at == number, f"message {at} came in the place of {number}"
    assert seed in (None, found), "a message of another connection"
    key = struct.pack("!QQ", found, number)
    body = memoryview(data)[LABEL.size :]
    assert hashlib.blake2b(body, digest_size=16, key=key).digest() == digest, "a payload changed"
    return found


class Ended(Exception):  # noqa: N818 - no error, but how most sessions end
    """The peer ended the connection, in the way named."""


class Peer:
    """Frames over a stream; a peer with a key masks."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: bytes | None = None
    ) -> None:
        self.reader, self.writer, self.key = reader, writer, key
        self.pongs = 0

    async def send(self, opcode: int, data: bytes = b"", *, fin: bool = True) -> None:
        self.writer.write(frames.frame(opcode, data, fin=fin, key=self.key))
        await self.writer.drain()

    async def message(self) -> bytes:
        """The next message; pings are answered. Raises Ended."""
        parts = []
        while True:
            opcode, fin, data = await self._frame()
            if opcode == CLOSE:
                raise Ended("close")
            if opcode == PING:
                await self.send(PONG, data)
            elif opcode == PONG:
                self.pongs += 1
            else:
                parts.append(data)
                if fin:
                    return b"".join(parts)

    async def _frame(self) -> tuple[int, bool, bytes]:
        try:
            first, second = await self.reader.readexactly(2)
        except asyncio.IncompleteReadError as error:
            raise Ended("inside a frame" if error.partial else "end") from None
        try:
            length = second & 0x7F
            if length > 125:
                size = 2 if length == 126 else 8
                length = int.from_bytes(await self.reader.readexactly(size), "big")
            key = await self.reader.readexactly(4) if second & 0x80 else b""
            data = await self.reader.readexactly(length)
        except asyncio.IncompleteReadError:
            raise Ended("inside a frame") from None
        assert bool(key) == (self.key is None), "masked the wrong way round"
        return first & 15, bool(first & 0x80), frames.masked(data, key) if key else data

    def reset(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.writer.transport.abort()


class Load:
    """The clients and the echo server."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.serving = 0

    # -- the server -------------------------------------------------------------------------

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving += 1
        peer = Peer(reader, writer)
        try:
            await self._echo(peer)
        except (ConnectionError, Ended, asyncio.IncompleteReadError):
            self.counts["server's connection ended"] += 1
        except AssertionError as error:
            self.faults.append(f"server: {error}")
        finally:
            self.serving -= 1
            writer.close()

    async def _echo(self, peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        nonce = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
        peer.writer.write(switching(nonce=nonce))
        chance = random.Random(hash(head) ^ self.chance.getrandbits(30))
        seed: int | None = None
        number = 0
        ends = chance.random() < 0.1
        while True:
            try:
                message = await peer.message()
            except Ended as ended:
                if str(ended) == "close":
                    await peer.send(CLOSE, frames.close_payload(1000))
                raise
            seed = check(message, seed, number)
            number += 1
            if chance.random() < 0.02:
                await asyncio.sleep(chance.random())
            half = len(message) // 2
            if chance.random() < 0.2:
                await peer.send(BINARY, message[:half], fin=False)
                await peer.send(PING, b"between")
                await peer.send(CONTINUATION, message[half:])
            else:
                await peer.send(BINARY, message)
            if ends and chance.random() < 0.1:
                self.counts["reset by the server"] += 1
                peer.reset()
                return

    # -- the clients ------------------------------------------------------------------------

    async def client(self, address: tuple[str, int], deadline: float) -> None:
        while time.monotonic() < deadline:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._session(address)
            except (ConnectionError, Ended) as error:
                self.counts[f"client's connection ended: {error}"[:60]] += 1
            except TimeoutError:
                self.faults.append("client: nothing moved")
            except AssertionError as error:
                self.faults.append(f"client: {error}")

    async def _session(self, address: tuple[str, int]) -> None:
        chance = random.Random(self.chance.getrandbits(60))
        seed = chance.getrandbits(60)
        reader, writer = await asyncio.open_connection(*address, limit=1 << 16)
        peer = Peer(reader, writer, KEY)
        try:
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101"), head
            self.counts["tunnels"] += 1
            sizes = [self._size(chance) for _ in range(chance.randint(1, 40))]
            sending = asyncio.create_task(self._send(peer, chance, seed, sizes))
            ending = chance.choice(("close", "close", "reset", "half-close", "leave"))
            stop = chance.randrange(len(sizes)) if ending in ("reset", "leave") else len(sizes)
            try:
                await self._receive(peer, chance, seed, stop)
                if ending in ("close", "half-close"):
                    await sending
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError, ConnectionError):
                    await sending
            await self._end(peer, ending)
        finally:
            writer.close()

    async def _send(self, peer: Peer, chance: random.Random, seed: int, sizes: list[int]) -> None:
        for number, size in enumerate(sizes):
            message = payload(seed, number, size)
            if chance.random() < 0.2:
                half = chance.randrange(len(message))
                await peer.send(BINARY, message[:half], fin=False)
                await peer.send(PING, b"ping")
                await peer.send(CONTINUATION, message[half:])
            else:
                await peer.send(BINARY, message)
            if chance.random() < 0.1:
                await peer.send(PING)
            await asyncio.sleep(chance.random() * 0.1)

    async def _receive(self, peer: Peer, chance: random.Random, seed: int, stop: int) -> None:
        slow = chance.random() < 0.2
        if chance.random() < 0.2:
            await asyncio.sleep(chance.random() * 5)
        for number in range(stop):
            message = await peer.message()
            check(message, seed, number)
            self.counts["messages"] += 1
            self.counts["bytes"] += len(message)
            if slow:
                await asyncio.sleep(chance.random() * 0.3)

    async def _end(self, peer: Peer, ending: str) -> None:
        self.counts[f"ended by {ending}"] += 1
        if ending == "reset":
            peer.reset()
        elif ending == "half-close":
            peer.writer.write_eof()
            await self._until_ended(peer)
        elif ending == "close":
            await peer.send(CLOSE, frames.close_payload(1000))
            await self._until_ended(peer)

    async def _until_ended(self, peer: Peer) -> None:
        with suppress(Ended):
            while True:
                await peer.message()
                raise AssertionError("a message too many")

    @staticmethod
    def _size(chance: random.Random) -> int:
        """Between nothing and 1 MiB, small ones as often as large ones."""
        return chance.choice((0, int(2 ** chance.uniform(0, 20)), int(2 ** chance.uniform(0, 13))))


# -- the proxy ----------------------------------------------------------------------------------


def serve() -> None:
    """`fastws serve`, which tells on SIGUSR1 what it holds: the soak's own process."""
    made = Context.__init__

    def init(self: Context, *arguments: object, **options: object) -> None:
        made(self, *arguments, **options)  # type: ignore[arg-type]

        def tell() -> None:
            gc.collect()
            held = {
                "tunnels": len(self.driver),
                "connections": self.counts.connections,
                "in_flight": getattr(self.sockets, "in_flight", 0),
            }
            print("held", json.dumps(held), flush=True)

        self.loop.add_signal_handler(signal.SIGUSR1, tell)
        print("worker", os.getpid(), flush=True)

    Context.__init__ = init  # type: ignore[method-assign]
    main()


class Proxy:
    """The process, and what it takes."""

    def __init__(self, driver: str, upstream: str) -> None:
        flags = ["serve", "--driver", driver, "--listen", "127.0.0.1:0", "--upstream", upstream]
        flags += ["--workers", "1"]
        self.process = subprocess.Popen(
            [sys.executable, "-P", __file__, *flags, "--log-level", "error"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.worker = int(self.process.stdout.readline().removeprefix("worker"))
        host, _, port = self.process.stdout.readline().rpartition("://")[2].strip().partition(":")
        self.address = (host, int(port))

    def held(self) -> dict[str, int]:
        """Tunnels, connections, requests in flight, descriptors, and resident KiB."""
        assert self.process.stdout
        os.kill(self.worker, signal.SIGUSR1)
        held = json.loads(self.process.stdout.readline().removeprefix("held"))
        folder = Path(f"/proc/{self.worker}")
        held["descriptors"] = len(os.listdir(folder / "fd"))  # noqa: PTH208
        pages = int((folder / "statm").read_text().split()[1])
        held["rss"] = pages * os.sysconf("SC_PAGE_SIZE") // 1024
        return held

    def settled(self) -> dict[str, int]:
        """What is held when no connection is left."""
        deadline = time.monotonic() + PATIENCE
        while (held := self.held())["connections"] and time.monotonic() < deadline:
            time.sleep(0.2)
        return held

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)


async def soak(driver: str, seconds: float, connections: int, seed: int) -> bool:
    load = Load(seed)
    server = await asyncio.start_server(load.serve, "127.0.0.1", 0, backlog=1024, limit=1 << 16)
    port = server.sockets[0].getsockname()[1]
    proxy = Proxy(driver, f"127.0.0.1:{port}")
    loop = asyncio.get_running_loop()

    async def run(duration: float) -> dict[str, int]:
        deadline = time.monotonic() + duration
        await asyncio.gather(*(load.client(proxy.address, deadline) for _ in range(connections)))
        return await loop.run_in_executor(None, proxy.settled)

    base = proxy.held()
    warm = await run(min(30.0, seconds / 4))
    print("at the start ", base, "\nafter warm-up", warm, flush=True)
    end = await run(seconds)
    print("at the end   ", end)
    server.close()
    status = proxy.stop()
    print(driver, json.dumps(load.counts, indent=1))
    faults = Counter(load.faults)
    flat = all(end[key] == base[key] for key in ("tunnels", "connections", "descriptors"))
    # What is in flight without connections is nothing; RSS: what a heap may be fragmented by.
    good = flat and end["in_flight"] == base["in_flight"] and end["rss"] - warm["rss"] < 4096
    print("faults:", dict(faults) or "none", "status:", status, "flat:", good, flush=True)
    return good and not faults and status == 0


def run() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driver", default="auto")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print("seed", options.seed, flush=True)
    good = uvloop.run(soak(options.driver, options.seconds, options.connections, options.seed))
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    else:
        sys.exit(run())
