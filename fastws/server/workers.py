"""The worker processes: begun, watched, replaced and ended."""

import asyncio
import os
import pickle
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from fastws._board import Board
from fastws.errors import FastwsError
from fastws.observe.access_log import WORKER_LOST, worker_lost
from fastws.observe.log import Log
from fastws.server import messages, worker
from fastws.server.channel import MOST_DESCRIPTORS, pair
from fastws.server.child import Child
from fastws.server.fork import fork

# A worker that ends sooner than this is waited for, longer each time; in seconds, as all of these.
_LIFE = 10.0
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 10.0

# For a worker to accept connections.
_BIRTH = 30.0
# For a worker to end after all its tunnels did.
_DEATH = 2.0


class Order(Protocol):
    """What a worker serves, and with which sockets."""

    def birth(self, place: int) -> worker.Birth:
        """Return what a worker at this place begins with, but for what makes it one of many."""

    def server_at(self, number: int) -> str:
        """Return the address of the server at a place of the board."""


class Workers:
    """Keeps so many workers alive: ``begin_all`` makes them, ``end`` ends them.

    The loop of the supervisor has to stop for each fork: it calls ``wake`` then, and is to call
    ``fork_due`` before it goes on.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, board: Board, log: Log, order: Order
    ) -> None:
        self._loop = loop
        self._board = board
        self._log = log
        self._order = order
        self._children: dict[int, Child] = {}  # by pid
        self._due: list[tuple[int, asyncio.Future[Child]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False
        # Who holds it knows that no worker begins.
        self.still = asyncio.Lock()

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._children.values()))

    # the beginning

    async def begin_all(self, count: int) -> None:
        """Begin one for each place. Raises FastwsError when one does not come up."""
        self._loop.add_signal_handler(signal.SIGCHLD, self._reap)
        beginning = [self._loop.create_task(self._begin(place)) for place in range(count)]
        try:
            await asyncio.gather(*beginning)
        finally:
            for each in beginning:
                each.cancel()
        self._run(self._look_after())

    def fork_due(self) -> None:
        """Begin the workers that are due; no loop may run."""
        due, self._due = self._due, []
        for place, born in due:
            born.set_result(self._fork(place))

    async def _begin(self, place: int) -> Child:
        """Begin a worker for a place. Raises FastwsError when it does not come up."""
        born: asyncio.Future[Child] = self._loop.create_future()
        self._due.append((place, born))
        self._loop.stop()
        child = await born
        try:
            await asyncio.wait_for(asyncio.shield(child.ready), _BIRTH)
        except TimeoutError:
            child.kill()
            raise FastwsError(f"worker {child.number} did not begin in time") from None
        return child

    def _fork(self, place: int) -> Child:
        taken = {child.number for child in self}
        counts = self._board.worker(next(i for i in range(self._board.workers) if i not in taken))
        ours, theirs = pair()
        birth = self._order.birth(place)
        keep = [theirs.fileno(), *(sock.fileno() for sock in birth.sockets)]
        pid = fork(lambda: worker.main(birth, counts, theirs), keep)
        theirs.close()
        child = self._children[pid] = Child(self._loop, pid, place, counts, ours)
        return child

    # while they live

    async def _look_after(self) -> None:
        """End workers that hang: others take their places."""
        while True:
            await asyncio.sleep(worker.BEAT)
            for child in self:
                if child.ready.done() and child.hangs:
                    self._log.error("worker_hangs", worker=child.number, pid=child.pid)
                    child.kill()

    def _reap(self) -> None:
        """Take note of workers that have ended."""
        with suppress(ChildProcessError):
            while self._children:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if child := self._children.pop(pid, None):
                    self._bury(child, os.waitstatus_to_exitcode(status))

    def _bury(self, child: Child, status: int) -> None:
        lived = child.ready.done() and not child.ready.exception()
        child.ended()
        lost = self._board.bury(child.number, ending=WORKER_LOST)
        for number, seconds, peer, client in lost:
            upstream = self._order.server_at(peer)
            worker_lost(
                self._log, number=number, client=client, upstream=upstream, duration=seconds
            )
        if lived and not child.dismissed:
            how = signal.Signals(-status).name if status < 0 else f"status {status}"
            self._log.error(
                "worker_lost", worker=child.number, pid=child.pid, how=how, tunnels=len(lost)
            )
            self._run(self._replace(child))

    async def _replace(self, child: Child) -> None:
        """Begin another worker in the place of one that died, however often it takes."""
        delay = 0.0
        if self._loop.time() - child.since < _LIFE:
            delay = min(max(2 * child.delay, _FIRST_DELAY), _LONGEST_DELAY)
            await asyncio.sleep(child.delay)
        while not self._ending:
            try:
                async with self.still:
                    new = await self._begin(child.place)
            except FastwsError as error:
                delay = min(max(2 * delay, _FIRST_DELAY), _LONGEST_DELAY)
                self._log.error("worker_failed", message=str(error), again_in=delay)
                await asyncio.sleep(delay)
            else:
                new.delay = delay
                self._log.info("worker_started", worker=new.number, pid=new.pid)
                return

    async def ask_all(
        self,
        order: Callable[[int], messages.Order],
        descriptors: Callable[[Child], Sequence[int]] = lambda _: (),
        *,
        seconds: float = 10.0,
    ) -> list[str]:
        """Have an order carried out by all; what went wrong, a line for each whom it did."""
        asked = [
            child.ask(order, descriptors(child), seconds=seconds)
            for child in self
            if not child.dismissed
        ]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        faults = [each for each in outcomes if isinstance(each, BaseException)]
        for fault in faults:
            if not isinstance(fault, FastwsError):
                raise fault
        return list(dict.fromkeys(map(str, faults)))

    async def go_by(
        self, plan: messages.Plan, sockets: Callable[[int], list[socket.socket]]
    ) -> None:
        """Prepare all of them for another plan; `commit` is next.

        Raises FastwsError when one of them cannot go by it, and then none does.
        """
        with tempfile.TemporaryFile() as file:
            pickle.dump(plan, file)
            file.flush()
            faults: list[str] = []
            longest = len(sockets(0))
            for start in range(0, longest, MOST_DESCRIPTORS):
                faults += await self.ask_all(
                    messages.Take,
                    lambda child, start=start: [  # type: ignore[misc]
                        sock.fileno()
                        for sock in sockets(child.place)[start : start + MOST_DESCRIPTORS]
                    ],
                )
            if not faults:
                faults = await self.ask_all(messages.Prepare, lambda _: [file.fileno()])
        if faults:
            await self.ask_all(lambda number: messages.Commit(number, give_up=True))
            raise FastwsError("; ".join(faults))

    async def commit(self) -> None:
        """Let all go by the plan that they are prepared for; one that does not is replaced."""

        async def one(child: Child) -> None:
            try:
                await child.ask(messages.Commit)
            except FastwsError:
                child.kill()

        await asyncio.gather(*(one(child) for child in self if not child.dismissed))

    # the end

    async def retire(
        self,
        child: Child,
        move: Callable[[Child, Child], Awaitable[None]] | None,
        stop: Callable[[int], messages.Stop],
        seconds: float,
    ) -> None:
        """Let a worker stop, in whose place another begins, which may get its tunnels by ``move``.

        Raises FastwsError if that fails.
        """
        async with self.still:
            new = await self._begin(child.place)
            if move:
                await move(child, new)
            child.dismissed = True
        await _end(child, stop, seconds)

    async def end(self, stop: Callable[[int], messages.Stop], seconds: float) -> None:
        """Let all of them stop, which should take so many seconds."""
        self._ending = True
        if ending := [self._loop.create_task(_end(child, stop, seconds)) for child in self]:
            await asyncio.wait(ending)

    async def kill(self) -> None:
        """End all of them at once."""
        self._ending = True
        for task in self._tasks:
            task.cancel()
        children = list(self)
        for child in children:
            child.dismissed = True
            child.kill()
        if children:
            await asyncio.wait([child.gone for child in children])

    # private

    def _run(self, doing: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _end(child: Child, stop: Callable[[int], messages.Stop], seconds: float) -> None:
    child.dismissed = True
    try:
        if child.ready.done():
            await child.ask(stop, seconds=seconds + _DEATH)
            await asyncio.wait_for(asyncio.shield(child.gone), _DEATH)
    except (FastwsError, TimeoutError):
        pass
    finally:
        child.kill()
    await child.gone
