"""Steady load over tunnels that end only when they are told to: every message is checked.

Each client numbers what it sends and checks what an echo server sends back: nothing may be lost,
doubled, changed or out of order, and no connection may end.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from typing import Self

import uvloop
from soak import KEY, Ended, Peer, check, payload
from support import frames
from support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG
from support.raw import request, switching

PATIENCE = 30.0


class Steady:
    """So many clients, and their server, in a thread."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._chance = random.Random(count)

    def __enter__(self) -> Self:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.address = self._run(self._serve())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def begin(self, host: str, port: int) -> None:
        """Open all tunnels; messages go through them from now on."""
        self._run(self._begin(host, port))

    def end(self) -> None:
        """Send no more, wait for what is still to come, and close."""
        self._run(self._end())
        assert self.faults == []
        assert self.counts["closed"] == self.count

    def _run(self, work):  # noqa: ANN001, ANN202 - any coroutine's
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _serve(self) -> str:
        self._server = await asyncio.start_server(
            self._echo, "127.0.0.1", 0, backlog=1024, limit=1 << 16
        )
        port = self._server.sockets[0].getsockname()[1]
        return f"127.0.0.1:{port}"

    async def _leave(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _begin(self, host: str, port: int) -> None:
        self._stopping = False
        peers = [await self._open(host, port) for _ in range(self.count)]
        self._clients = [asyncio.create_task(self._client(peer)) for peer in peers]

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
        except Ended as ended:
            if str(ended) != "close":
                self.faults.append(f"server: {ended}")
            await peer.send(CLOSE, frames.close_payload(1000))
        finally:
            writer.close()

    # -- the clients ------------------------------------------------------------------------

    async def _open(self, host: str, port: int) -> Peer:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 16)
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return Peer(reader, writer, KEY)

    async def _client(self, peer: Peer) -> None:
        seed = self._chance.getrandbits(60)
        sending = asyncio.create_task(self._talk(peer, seed))
        number = 0
        try:
            while not sending.done() or number < sending.result():
                message = await peer.message()
                check(message, seed, number)
                number += 1
                self.counts["messages"] += 1
            await peer.send(CLOSE, frames.close_payload(1000))
            await peer.message()
        except AssertionError as error:
            self.faults.append(f"client: {error}")
        except (ConnectionError, Ended) as ended:
            if str(ended) == "close" and sending.done():
                self.counts["closed"] += 1
            else:
                self.faults.append(f"client: {ended!r}")
        finally:
            sending.cancel()
            peer.writer.close()

    async def _talk(self, peer: Peer, seed: int) -> int:
        """Send messages until it is enough; how many."""
        number = 0
        while not self._stopping or number == 0:
            await self._send(peer, payload(seed, number, self._size()))
            number += 1
            await asyncio.sleep(self._chance.random() * 0.5)
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
