"""The worker processes: begun, watched, replaced and ended."""

import asyncio
import os
import pickle
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from fastws._board import Board
from fastws.errors import FastwsError
from fastws.observe.access_log import WORKER_LOST, worker_lost
from fastws.observe.log import Log
from fastws.server import messages, worker
from fastws.server.channel import pair, sheet
from fastws.server.child import Child
from fastws.server.fork import fork
from fastws.server.messages import Door
from fastws.server.tasks import Tasks

if TYPE_CHECKING:
    import socket

# A worker that ends sooner than this is waited for, longer each time; in seconds, as all of these.
_LIFE = 10.0
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 10.0

# For a worker to be prepared.
_BIRTH = 30.0
# For a worker to end after all its tunnels did.
_DEATH = 2.0

# What the worker at a place accepts at.
Doors = Callable[[int], list[Door]]
# The order to stop, made for a number.
Stop = Callable[[int], messages.Stop]


class Workers:
    """Keeps a worker at each of so many places, all of which go by one plan.

    `prepare` says by which, and `commit` that it holds; `end` ends them. ``server_at(number)`` is
    the address of the server at a place of the board. The loop is stopped for each fork: who runs
    it is to call `fork_due` before it goes on.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        board: Board,
        log: Log,
        server_at: Callable[[int], str],
    ) -> None:
        self._loop = loop
        self._board = board
        self._log = log
        self._server_at = server_at
        self._plan: messages.Plan
        self._doors: Doors
        self._places = range(0)
        self._children: dict[int, Child] = {}  # by pid
        self._due: list[tuple[int, worker.Birth, asyncio.Future[Child]]] = []
        self._tasks = Tasks(loop)
        self._ending = False
        # The way to the process whose place we take, if that may have to go on: see worker.Birth.
        self.home: socket.socket | None = None
        # Who holds it knows that no worker begins or is sent away.
        self.still = asyncio.Lock()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        self._tasks.run(self._look_after())

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._children.values()))

    @property
    def count(self) -> int:
        """How many there are to be."""
        return len(self._places)

    @property
    def serving(self) -> list[Child]:
        """Those that are not about to end, by their places."""
        return sorted((each for each in self if not each.dismissed), key=lambda each: each.place)

    # a plan

    async def prepare(self, plan: messages.Plan, doors: Doors, count: int) -> None:
        """Prepare for a plan those that there are, and others until there are so many.

        Raises FastwsError when one of them cannot go by it; then all is as before.
        """
        begun: list[Child] = []
        try:
            await self._prepare(plan, doors)
            taken = {child.place for child in self.serving}
            vacant = [place for place in range(count) if place not in taken]
            await self._begin(vacant, plan, doors, begun)
        except FastwsError:
            for child in begun:
                child.dismissed = True
                child.kill()
            await self.ask_all(lambda number: messages.Commit(number, give_up=True))
            raise
        self._plan, self._doors, self._places = plan, doors, range(count)

    async def commit(self) -> list[Child]:
        """Let all go by the plan; returns those for which there is no place any more.

        Who cannot is killed, and another takes its place.
        """
        await asyncio.gather(*map(self._commit, self.serving))
        return [child for child in self.serving if child.place not in self._places]

    async def _prepare(self, plan: messages.Plan, doors: Doors) -> None:
        with sheet(pickle.dumps(plan)) as paper:
            faults = await _faults(
                child.prepare(paper.fileno(), doors(child.place)) for child in self.serving
            )
        if faults:
            raise FastwsError("; ".join(faults))

    async def _commit(self, child: Child) -> None:
        try:
            await child.ask(messages.Commit)
        except FastwsError as error:
            if not child.dismissed:
                self._log.error("worker_failed", message=str(error))
            child.kill()

    async def ask_all(
        self, order: Callable[[int], messages.Order], *, seconds: float = 10.0
    ) -> list[str]:
        """Have an order carried out by all; what went wrong, a line for each whom it did."""
        return await _faults(child.ask(order, seconds=seconds) for child in self.serving)

    # the beginning

    def fork_due(self) -> None:
        """Begin the workers that are due; no loop may run."""
        due, self._due = self._due, []
        for place, birth, born in due:
            try:
                born.set_result(self._fork(place, birth))
            except FastwsError as error:
                born.set_exception(error)
            except OSError as error:
                born.set_exception(FastwsError(f"cannot begin a worker: {error.strerror}"))

    async def _begin(
        self, places: Iterable[int], plan: messages.Plan, doors: Doors, begun: list[Child]
    ) -> None:
        """Begin one for each place; ``begun`` are those that need to be committed, or ended.

        Raises FastwsError when one does not come up.
        """

        async def one(place: int) -> None:
            born: asyncio.Future[Child] = self._loop.create_future()
            self._due.append((place, worker.Birth(plan, doors(place), place, self.home), born))
            self._loop.stop()
            child = await born
            begun.append(child)
            await child.prepared(_BIRTH)

        if faults := await _faults(map(one, places)):
            raise FastwsError("; ".join(faults))

    async def _begin_another(self, place: int) -> Child:
        """Begin one that serves at a place. Raises FastwsError when it does not come up."""
        begun: list[Child] = []
        await self._begin([place], self._plan, self._doors, begun)
        await self._commit(begun[0])
        return begun[0]

    def _fork(self, place: int, birth: worker.Birth) -> Child:
        taken = {child.number for child in self}
        free = next((i for i in range(self._board.workers) if i not in taken), None)
        if free is None:
            raise FastwsError("there is no room for another worker until one has ended")
        counts = self._board.worker(free)
        ours, theirs = pair()
        with theirs:
            sockets = [theirs, *(sock for _, sock in birth.doors)]
            if birth.home:
                sockets.append(birth.home)
            keep = [sock.fileno() for sock in sockets]
            try:
                pid = fork(lambda: worker.main(birth, counts, theirs), keep)
            except OSError:
                ours.close()
                raise
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
            worker_lost(
                self._log,
                number=number,
                client=client,
                upstream=self._server_at(peer),
                duration=seconds,
            )
        if lived and not child.dismissed:
            how = signal.Signals(-status).name if status < 0 else f"status {status}"
            self._log.error(
                "worker_lost", worker=child.number, pid=child.pid, how=how, tunnels=len(lost)
            )
            self._tasks.run(self._replace(child))

    async def _replace(self, child: Child) -> None:
        """Begin another worker in the place of one that died, however often it takes."""
        delay = 0.0
        if self._loop.time() - child.since < _LIFE:
            delay = min(max(2 * child.delay, _FIRST_DELAY), _LONGEST_DELAY)
            await asyncio.sleep(child.delay)
        while True:
            async with self.still:
                if not self._is_vacant(child.place):
                    return
                try:
                    new = await self._begin_another(child.place)
                except FastwsError as error:
                    fault = str(error)
                else:
                    new.delay = delay
                    self._log.info("worker_started", worker=new.number, pid=new.pid)
                    return
            delay = min(max(2 * delay, _FIRST_DELAY), _LONGEST_DELAY)
            self._log.error("worker_failed", message=fault, again_in=delay)
            await asyncio.sleep(delay)

    def _is_vacant(self, place: int) -> bool:
        """Whether a worker is to begin at a place: a reload may have thought of it already."""
        occupied = {child.place for child in self.serving}
        return not self._ending and place in self._places and place not in occupied

    # the end

    async def begin_in_place_of(self, child: Child) -> Child:
        """Begin another at a worker's place, which is to be dismissed then.

        Raises FastwsError when it does not come up.
        """
        new = await self._begin_another(child.place)
        child.dismissed = True
        return new

    async def dismiss(self, children: Iterable[Child], stop: Stop, seconds: float) -> None:
        """Let some of them stop, which should take so many seconds; no others take their places."""
        for child in children:
            child.dismissed = True
        # Who waits here may be told to hurry, and wait no more: these go on.
        if ending := [self._loop.create_task(_end(child, stop, seconds)) for child in children]:
            await asyncio.wait(ending)

    async def end(self, stop: Stop, seconds: float) -> None:
        """Let all of them stop."""
        self._ending = True
        await self.dismiss(list(self), stop, seconds)

    async def kill(self) -> None:
        """End all of them at once."""
        self._ending = True
        self._tasks.cancel()
        children = list(self)
        for child in children:
            child.dismissed = True
            child.kill()
        if children:
            await asyncio.wait([child.gone for child in children])


async def _end(child: Child, stop: Stop, seconds: float) -> None:
    try:
        if child.ready.done():
            await child.ask(stop, seconds=seconds + _DEATH)
            await asyncio.wait_for(asyncio.shield(child.gone), _DEATH)
    except (FastwsError, TimeoutError):
        pass
    finally:
        child.kill()
    await child.gone


async def _faults(doing: Iterable[Awaitable[None]]) -> list[str]:
    """Wait until all is done; what went wrong, a line for each kind."""
    outcomes = await asyncio.gather(*doing, return_exceptions=True)
    faults = [each for each in outcomes if isinstance(each, BaseException)]
    for fault in faults:
        if not isinstance(fault, FastwsError):
            raise fault
    return list(dict.fromkeys(map(str, faults)))
