"""Mixed load for minutes, every payload checked, and nothing left at the end.

    make soak SECONDS=600 DRIVER=uring

Two hundred clients (--connections) send messages of 0 to 1 MiB through one tunnel each, some in
fragments, some with pings between, and read what a server sends back; some read slowly, or not at
all for a while. They end by a close, a reset or a half-close of either side, and others take their
place. A quarter as many clients send plain requests beside them, with and without bodies, of which
some are cut off in the middle by either side. A payload is made from its connection's seed and its
number, and checked by the server and by the client.

Meanwhile the proxy is reloaded every few seconds, with and without a listener and a server. Where
its driver can move tunnels, the first third of the time has upgrades and emptied workers too; what
the processes hold after that must be what they hold at the end.

The proxy runs in processes of its own under the real `serve`; SIGUSR1 makes a worker say how many
tunnels it has and how many requests of io_uring are in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from support import frames
from support.checked import Ended, Peer, check, payload, pieces, size
from support.control import Controlled, config
from support.frames import BINARY, CLOSE, CONTINUATION, KEY, PING
from support.raw import request, switching
from support.waiting import until

from fastws.cli import main
from fastws.errors import FastwsError
from fastws.proxy.context import Context

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# For a session, in seconds: the machine may be busy with other things.
PATIENCE = 300.0
# Seconds between two reloads; every fifth is followed by an upgrade or an emptied worker.
RELOAD = 3.0
# What a heap may be fragmented by, in KiB for each worker.
MOST_GROWTH = 4096
# The servers are one process, which may be slow, and is no failure of theirs.
TIMEOUTS = ", ".join(
    f'{name} = "5m"' for name in ("head", "connect", "handshake", "answer", "body", "stall")
)
# What ends a tunnel here, as the log names it.
ENDINGS = {"client", "upstream", "client_lost", "upstream_lost"}


class Load:
    """What both kinds of clients have in common."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.serving = 0
        self.tunnels = Tunnels(self)
        self.requests = Requests(self)

    def dice(self) -> random.Random:
        """One for a connection, so that what it does depends on no other."""
        return random.Random(self.chance.getrandbits(60))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving += 1
        peer = Peer(reader, writer)
        try:
            head = await peer.head()
            if b"\r\nUpgrade: " in head:
                await self.tunnels.serve(peer, head)
            else:
                await self.requests.serve(peer, head)
        except (ConnectionError, Ended):
            self.counts["server: connections ended"] += 1
        except AssertionError as error:
            self.faults[f"server: {error}"] += 1
        finally:
            self.serving -= 1
            writer.close()

    async def client(
        self,
        address: tuple[str, int],
        deadline: float,
        session: Callable[[Peer, random.Random], Awaitable[None]],
    ) -> None:
        """Connect again and again."""
        while time.monotonic() < deadline:
            try:
                async with asyncio.timeout(PATIENCE):
                    streams = await asyncio.open_connection(*address, limit=1 << 16)
                    try:
                        await session(Peer(*streams, KEY), self.dice())
                    finally:
                        streams[1].close()
            except (ConnectionError, Ended) as error:
                self.counts[f"client: ended: {error}"[:60]] += 1
            except TimeoutError:
                self.faults["client: nothing moved"] += 1
            except AssertionError as error:
                self.faults[f"client: {error}"] += 1


class Tunnels:
    """WebSockets: an echo server, and who talks to it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._counts = load.counts

    async def serve(self, peer: Peer, head: bytes) -> None:
        nonce = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
        peer.writer.write(switching(nonce=nonce))
        chance = self._load.dice()
        seed: int | None = None
        ends = chance.random() < 0.1
        for number in itertools.count():
            try:
                message = await peer.message()
            except Ended as ended:
                if str(ended) == "close":
                    await peer.send(CLOSE, frames.close_payload(1000))
                raise
            seed = check(message, seed, number)
            if chance.random() < 0.02:
                await asyncio.sleep(chance.random())
            await self._send_message(peer, chance, message)
            if ends and chance.random() < 0.1:
                self._counts["tunnels: reset by the server"] += 1
                peer.reset()
                return

    async def session(self, peer: Peer, chance: random.Random) -> None:
        seed = chance.getrandbits(60)
        await peer.write(request())
        head = await peer.head()
        if not head.startswith(b"HTTP/1.1 101"):
            raise AssertionError(await peer.body(head))
        self._counts["tunnels"] += 1
        sizes = [size(chance) for _ in range(chance.randint(1, 40))]
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

    async def _send(self, peer: Peer, chance: random.Random, seed: int, sizes: list[int]) -> None:
        for number, length in enumerate(sizes):
            await self._send_message(peer, chance, payload(seed, number, length))
            if chance.random() < 0.1:
                await peer.send(PING)
            await asyncio.sleep(chance.random() * 0.1)

    async def _send_message(self, peer: Peer, chance: random.Random, message: bytes) -> None:
        if chance.random() < 0.2:
            half = chance.randrange(len(message))
            await peer.send(BINARY, message[:half], fin=False)
            await peer.send(PING, b"between")
            await peer.send(CONTINUATION, message[half:])
        else:
            await peer.send(BINARY, message)

    async def _receive(self, peer: Peer, chance: random.Random, seed: int, stop: int) -> None:
        slow = chance.random() < 0.2
        if chance.random() < 0.2:
            await asyncio.sleep(chance.random() * 5)
        for number in range(stop):
            message = await peer.message()
            check(message, seed, number)
            self._counts["messages"] += 1
            self._counts["messages: bytes"] += len(message)
            if slow:
                await asyncio.sleep(chance.random() * 0.3)

    async def _end(self, peer: Peer, ending: str) -> None:
        self._counts[f"tunnels: ended by {ending}"] += 1
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
            await peer.message()
            raise AssertionError("a message too many")


class Requests:
    """Plain HTTP: a server that makes up what is asked for, or sends a body back.

    A target says all that has to be known for that: the seed, the number and a size.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._counts = load.counts

    async def serve(self, peer: Peer, head: bytes) -> None:
        chance = self._load.dice()
        while True:
            method, target = head.split()[:2]
            seed, number, length = map(int, target.strip(b"/").split(b"/"))
            body = await peer.body(head)
            if method == b"PUT":
                check(body, seed, number)
            else:
                assert body == b"", "a body that nobody sent"
                body = payload(seed, number, length)
            if chance.random() < 0.02:
                self._counts["answers: cut by the server"] += 1
                await self._cut(peer, b"HTTP/1.1 200 OK\r\n", body, chance)
                return
            await peer.send_body(b"HTTP/1.1 200 OK\r\n", body, chance)
            head = await peer.head()

    async def session(self, peer: Peer, chance: random.Random) -> None:
        seed = chance.getrandbits(60)
        last = chance.randrange(20)
        ending = chance.choice(("close", "close", "half-close", "cut", "leave"))
        for number in range(last):
            await self._ask(peer, chance, seed, number)
            await self._take(peer, chance, seed, number)
            await asyncio.sleep(chance.random() * 0.2)
        self._counts[f"requests: ended by {ending}"] += 1
        if ending == "cut":
            start = b"PUT /%d/%d/0 HTTP/1.1\r\nHost: a\r\n" % (seed, last)
            await self._cut(peer, start, payload(seed, last, size(chance)), chance)
        elif ending != "close":
            await self._ask(peer, chance, seed, last)
            if ending == "half-close":
                peer.writer.write_eof()
                await self._take(peer, chance, seed, last)
                await self._until_ended(peer)

    async def _ask(self, peer: Peer, chance: random.Random, seed: int, number: int) -> None:
        length = size(chance)
        target = b"/%d/%d/%d" % (seed, number, length)
        if chance.random() < 0.5:
            await peer.write(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
        else:
            start = b"PUT %b HTTP/1.1\r\nHost: a\r\n" % target
            await peer.send_body(start, payload(seed, number, length), chance)

    async def _take(self, peer: Peer, chance: random.Random, seed: int, number: int) -> None:
        if chance.random() < 0.1:
            await asyncio.sleep(chance.random() * 3)
        head = await peer.head()
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(await peer.body(head))
        try:
            body = await peer.body(head)
        except (ConnectionError, Ended):
            self._counts["answers: cut"] += 1
            raise
        check(body, seed, number)
        self._counts["answers"] += 1
        self._counts["answers: bytes"] += len(body)

    async def _cut(self, peer: Peer, start: bytes, body: bytes, chance: random.Random) -> None:
        """Send all but the last piece of a body, and reset the connection."""
        await peer.write(b"%bContent-Length: %d\r\n\r\n" % (start, len(body)))
        for piece in pieces(body, chance)[:-1]:
            await peer.write(piece)
        peer.reset()

    async def _until_ended(self, peer: Peer) -> None:
        with suppress(Ended):
            await peer.head()
            raise AssertionError("an answer too many")


# -- the proxy ----------------------------------------------------------------------------------


def serve() -> None:
    """`fastws serve`, whose workers tell on SIGUSR1 what they hold: the soak's own processes."""
    made = Context.__init__

    def init(self: Context, *arguments: object, **options: object) -> None:
        made(self, *arguments, **options)  # type: ignore[arg-type]
        numbers = itertools.count(1)

        def tell() -> None:
            gc.collect()
            held = {
                "event": "held",
                "pid": os.getpid(),
                "number": next(numbers),
                "tunnels": len(self.driver),
                "connections": self.counts.connections,
                "in_flight": getattr(self.sockets, "in_flight", 0),
            }
            print(json.dumps(held), file=sys.stderr, flush=True)

        self.loop.add_signal_handler(signal.SIGUSR1, tell)

    Context.__init__ = init  # type: ignore[method-assign]
    main()


class Proxy(Controlled):
    """The processes, and what they hold."""

    def __init__(self, folder: Path, driver: str, *upstreams: str) -> None:
        more, last = f"timeouts = {{ {TIMEOUTS} }}", 'keepalive_timeout = "1s"\n'
        self._texts = (
            config(*upstreams, more=more) + last,
            config(upstreams[0], listen=("127.0.0.1:0", "127.0.0.2:0"), more=more) + last,
        )
        flags = ("--log-level", "error")
        super().__init__(folder, self._texts[0], driver=driver, workers=2, flags=flags)
        self.command = [sys.executable, "-P", __file__, *self.command[1:]]
        self._asked: Counter[int] = Counter()

    def held(self) -> dict[str, int]:
        """Tunnels, connections, requests in flight, descriptors, and resident KiB."""
        status = self.ask("status")
        workers = [worker["pid"] for worker in status["workers"]]
        total = Counter(descriptors=_descriptors(status["pid"]))
        for pid in workers:
            os.kill(pid, signal.SIGUSR1)
            self._asked[pid] += 1
            held = self.event("held", seconds=PATIENCE, pid=pid, number=self._asked[pid])
            for key in ("tunnels", "connections", "in_flight"):
                total[key] += held[key]
            total["descriptors"] += _descriptors(pid)
            total["rss"] += _resident(pid)
        return {"workers": len(workers), **total}

    def settled(self, load: Load) -> dict[str, int]:
        """What is held when no connection is left."""
        until(lambda: not self.held()["connections"] and not load.serving, PATIENCE)
        return self.held()

    def stop(self) -> int:
        """End it, whichever process it is by now."""
        self.ask("stop")
        return self.wait()

    def reload_to(self, number: int) -> None:
        """Go by one of both files."""
        self.file.write_text(self._texts[number % 2])
        self.ask("reload")

    def move_to(self, number: int) -> None:
        """Go on in a new process, or without what one of the workers had."""
        if number % 2:
            self.ask("upgrade")
        else:
            worker = self.ask("status")["workers"][0]["worker"]
            self.ask("drain", target=str(worker), move=True, deadline=PATIENCE)


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


class Soak:
    """The load, the proxy, and what is done to it."""

    def __init__(self, load: Load, proxy: Proxy, connections: int) -> None:
        self._load = load
        self._proxy = proxy
        self._connections = connections

    async def run(self, seconds: float, *, move: bool) -> dict[str, int]:
        """What is held after so long."""
        host, _, port = self._proxy.address.partition(":")
        deadline = time.monotonic() + seconds
        load, address = self._load, (host, int(port))
        many = [load.tunnels.session] * self._connections
        many += [load.requests.session] * (self._connections // 4)
        clients = (load.client(address, deadline, each) for each in many)
        await asyncio.gather(self._operate(deadline, move=move), *clients)
        await asyncio.to_thread(self._proxy.reload_to, 0)
        return await asyncio.to_thread(self._proxy.settled, load)

    async def _operate(self, deadline: float, *, move: bool) -> None:
        """Do to the proxy, one after another, what an operator might."""
        number = 0
        while time.monotonic() + RELOAD < deadline:
            await asyncio.sleep(RELOAD)
            number += 1
            await self._do(self._proxy.reload_to, number)
            if move and number % 5 == 0:
                await self._do(self._proxy.move_to, number)

    async def _do(self, what: Callable[[int], None], number: int) -> None:
        self._load.counts[f"proxy: {what.__name__}"] += 1
        try:
            await asyncio.to_thread(what, number)
        except FastwsError as error:
            self._load.faults[f"{what.__name__}: {error}"] += 1


async def soak(driver: str, seconds: float, connections: int, seed: int) -> bool:
    load = Load(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tcp = await asyncio.start_server(load.serve, "127.0.0.1", 0, backlog=1024, limit=1 << 16)
        unix = await asyncio.start_unix_server(
            load.serve, folder / "server", backlog=1024, limit=1 << 16
        )
        port = tcp.sockets[0].getsockname()[1]
        with Proxy(folder, driver, f"127.0.0.1:{port}", f"unix:{folder}/server") as proxy:
            program = Soak(load, proxy, connections)
            print("before", proxy.held(), flush=True)
            warm = await program.run(seconds / 3, move=driver != "transport")
            print("warm  ", warm, flush=True)
            end = await program.run(seconds * 2 / 3, move=False)
            print("end   ", end, flush=True)
            totals = await asyncio.to_thread(proxy.ask, "status")
        tcp.close()
        unix.close()
    return judge(load, warm, end, totals["totals"]["ended"])


def judge(load: Load, warm: dict[str, int], end: dict[str, int], ended: dict[str, int]) -> bool:
    """Print what came of it, and say whether it is good."""
    grown = end.pop("rss") - warm.pop("rss")
    counts, faults = load.counts, load.faults
    if end != warm or end["tunnels"] or end["connections"]:
        faults["not flat"] += 1
    if grown > MOST_GROWTH * end["workers"]:
        faults[f"grown by {grown} KiB"] += 1
    if others := ended.keys() - ENDINGS:
        faults[f"tunnels were ended by {others}"] += 1
    if counts["answers: cut"] > counts["answers: cut by the server"]:
        faults["answers were cut by the proxy"] += 1
    print(json.dumps(counts, indent=1, sort_keys=True))
    print("grown by", grown, "KiB; ended:", ended, "; faults:", dict(faults) or "none", flush=True)
    return not faults


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
