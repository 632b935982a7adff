"""Steady load over tunnels that end only when they are told to: every message is checked.

Each client numbers what it sends and checks what an echo server sends back: nothing may be lost,
doubled, changed or out of order, and no connection may end. Meanwhile visitors come, each for one
message, and all of them must be let in.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

import uvloop
from support import frames
from support.checked import Ended, Peer, check, payload
from support.frames import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG
from support.raw import request, switching
from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from pathlib import Path

VISITORS = 2  # at a time
BUFFER = 1 << 16


class Steady:
    """So many clients, and their server, in a thread.

    The server is at both `addresses`, of which the second is a Unix socket in `folder`.
    """

    def __init__(self, count: int, folder: Path) -> None:
        self.count = count
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._path = folder / "server"
        self._chance = random.Random(count)

    def __enter__(self) -> Self:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.addresses = self._run(self._serve())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def begin(self, *doors: str) -> None:
        """Open all tunnels, at one door after another; messages go through them from now on.

        A door is HOST:PORT or unix:PATH. Visitors come to the first.
        """
        self._run(self._begin(doors))

    def go_on(self) -> None:
        """Wait until each tunnel may have had a message more."""
        goal = self.counts["messages"] + self.count
        assert until(lambda: self.counts["messages"] >= goal or self.faults)
        assert self.faults == []

    def end(self) -> int:
        """Send no more, wait for what is still to come, and close; how many tunnels there were."""
        self._run(self._end())
        assert self.faults == []
        assert self.counts["closed"] == self.count
        assert self.counts["visits"]
        return self.count + self.counts["visits"]

    def _run(self, work):  # noqa: ANN001, ANN202 - any coroutine's
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _serve(self) -> tuple[str, str]:
        server = await asyncio.start_server(self._echo, "127.0.0.1", 0, backlog=1024, limit=BUFFER)
        unix = await asyncio.start_unix_server(self._echo, self._path, backlog=1024, limit=BUFFER)
        self._servers = server, unix
        port = server.sockets[0].getsockname()[1]
        return f"127.0.0.1:{port}", f"unix:{self._path}"

    async def _leave(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _begin(self, doors: tuple[str, ...]) -> None:
        self._stopping = False
        peers = [
            await self._open(doors[i % len(doors)], slow=i % 10 == 0) for i in range(self.count)
        ]
        self._clients = [
            asyncio.create_task(self._client(peer, slow=i % 10 == 0))
            for i, peer in enumerate(peers)
        ]
        self._clients += [asyncio.create_task(self._visit(doors[0])) for _ in range(VISITORS)]

    async def _end(self) -> None:
        self._stopping = True
        await asyncio.wait(self._clients, timeout=PATIENCE - 5)

    # -- the server -------------------------------------------------------------------------

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        nonce = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
        writer.write(switching(nonce=nonce))
        peer = Peer(reader, writer)
        seed, number = None, 0
        try:
            while True:
                message = await peer.message()
                seed = check(message, seed, number)
                number += 1
                await self._send(peer, message)
        except AssertionError as error:
            self.faults.append(f"server: {error}")
        except (ConnectionError, Ended) as ended:
            if str(ended) != "close":
                self.faults.append(f"server: {ended!r}")
            await peer.send(CLOSE, frames.close_payload(1000))
        finally:
            writer.close()

    # -- the clients ------------------------------------------------------------------------

    async def _open(self, door: str, *, slow: bool = False) -> Peer:
        path = door.partition("unix:")[2]
        sock = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        if slow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        sock.setblocking(False)
        host, _, port = door.partition(":")
        await self._loop.sock_connect(sock, path or (host, int(port)))
        reader, writer = await asyncio.open_connection(sock=sock, limit=BUFFER)
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return Peer(reader, writer, KEY)

    async def _client(self, peer: Peer, *, slow: bool) -> None:
        seed = self._chance.getrandbits(60)
        sending = asyncio.create_task(self._talk(peer, seed, slow=slow))
        number = 0
        try:
            while not sending.done() or number < sending.result():
                message = await peer.message()
                check(message, seed, number)
                number += 1
                self.counts["messages"] += 1
                if slow and not self._stopping and self._chance.random() < 0.1:
                    await asyncio.sleep(2)
            await self._close(peer)
        except (AssertionError, ConnectionError, Ended) as fault:
            self.faults.append(f"client: {fault!r} after {number} messages")
        else:
            self.counts["closed"] += 1
        finally:
            sending.cancel()
            peer.writer.close()

    async def _visit(self, door: str) -> None:
        """Come again and again, each time for one message."""
        while not self._stopping:
            try:
                peer = await self._open(door)
                await self._send(peer, payload(0, 0, 0))
                check(await peer.message(), 0, 0)
                await self._close(peer)
                peer.writer.close()
            except (AssertionError, ConnectionError, EOFError, Ended) as fault:
                self.faults.append(f"visitor: {fault!r}")
            self.counts["visits"] += 1
            await asyncio.sleep(0.05)

    async def _close(self, peer: Peer) -> None:
        await peer.send(CLOSE, frames.close_payload(1000))
        try:
            await peer.message()
        except Ended as ended:
            if str(ended) != "close":
                raise
        else:
            raise AssertionError("a message too many")

    async def _talk(self, peer: Peer, seed: int, *, slow: bool) -> int:
        """Send messages until it is enough; how many."""
        number = 0
        while not self._stopping or number == 0:
            await self._send(peer, payload(seed, number, self._size()))
            number += 1
            await asyncio.sleep(self._chance.random() * (0.05 if slow else 0.5))
        # The last answer wakes who reads.
        await self._send(peer, payload(seed, number, 0))
        return number + 1

    async def _send(self, peer: Peer, message: bytes) -> None:
        if self._chance.random() < 0.2:
            half = self._chance.randrange(len(message))
            await peer.send(BINARY, message[:half], fin=False)
            await peer.send(self._chance.choice((PING, PONG)), b"between")
            await peer.send(CONTINUATION, message[half:])
        else:
            await peer.send(BINARY, message)

    def _size(self) -> int:
        """Up to 1 MiB, and mostly small."""
        top = 20 if self._chance.random() < 0.05 else 12
        return int(2 ** (self._chance.random() * top)) - 1
