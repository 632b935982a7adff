"""A real `fastws serve` process: started with any flags, watched through its log, and stopped.

Leaving the `with` block is a check of its own: SIGTERM must end the process with status 0, and
nothing but log lines may stand on its stderr.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

from support.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Mapping

FASTWS = Path(sys.executable).with_name("fastws")
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
LISTENING = "fastws listening on "

Event = dict[str, Any]


def _opened_from(event: Event, port: int) -> bool:
    return event.get("event") == "tunnel_opened" and str(event["client"]).endswith(f":{port}")


class Proxy:
    """`fastws serve` before the given upstreams, with a listener on a free port."""

    driver: ClassVar[str] = "auto"
    workers: ClassVar[int] = int(os.environ.get("FASTWS_TEST_WORKERS", "1"))

    def __init__(
        self,
        *upstreams: object,
        listen: tuple[str, ...] = ("127.0.0.1:0",),
        settings: Mapping[str, object] | None = None,
        flags: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        descriptors: int | None = None,
        log_format: str = "json",
        driver: str | None = None,
        workers: int | None = None,
    ) -> None:
        self.log_format = log_format
        command = [str(FASTWS), "serve", "--log-format", log_format]
        command += ["--driver", driver or self.driver]
        workers = self.workers if workers is None else workers
        if workers:  # 0: as the file says
            command += ["--workers", str(workers)]
        for address in listen:
            command += ["--listen", address]
        for upstream in upstreams:
            command += ["--upstream", getattr(upstream, "address", None) or str(upstream)]
        for key, value in (settings or {}).items():
            command += ["--set", f"{key}={value}"]
        command += flags
        if descriptors is not None:
            command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
        self.command = command
        self.env = {**os.environ, **(env or {})}
        self.events: list[Event] = []
        self.stray: list[str] = []  # lines of stderr that are no JSON record
        self.addresses: list[str] = []
        self.changed = threading.Condition()
        self._forgiven: set[str] = set()
        self._status = 0
        self._silent = False  # it has closed its stdout

    # -- life -------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env
        )
        self.readers = [
            threading.Thread(target=self._read_stdout, args=(self.process.stdout,)),
            threading.Thread(target=self._read_stderr, args=(self.process.stderr,)),
        ]
        for reader in self.readers:
            reader.start()
        with self.changed:
            self.changed.wait_for(lambda: self.addresses or self._silent, PATIENCE)
        if not self.addresses:
            self.kill()
            raise AssertionError(f"fastws did not come up: {self.stray or self.events}")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        status = self.stop()
        if kind is None:
            assert status == self._status, f"status {status}, stderr: {self.stray}"
            if self.log_format == "json":
                assert not self.stray, f"not a log record: {self.stray}"
            failures = [
                each
                for each in self.events
                if each.get("level") == "error" and each["event"] not in self._forgiven
            ]
            assert not failures, failures

    def forgive(self, *events: str) -> None:
        """These may stand in the log as errors."""
        self._forgiven.update(events)

    def expect_status(self, status: int) -> None:
        """The process ends with it, instead of 0."""
        self._status = status

    def stop(self) -> int:
        """SIGTERM, and the exit status; a proxy that does not go is killed and fails the test."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit status of a proxy that is on its way out."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"fastws did not exit within {seconds} s") from None
        self._join()
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._join()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    # -- addresses --------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The first listener without its scheme: `127.0.0.1:41233` or `unix:/path`."""
        return self.addresses[0].rpartition("://")[2]

    def url(self, path: str = "/", listener: int = 0) -> str:
        """A listener's URL."""
        return self.addresses[listener] + path

    # -- log --------------------------------------------------------------------------------

    def event(self, name: str, *, seconds: float = PATIENCE, **fields: object) -> Event:
        """The first record of this name with these fields, awaited.

        `port=` picks the records of the client that has this local port.
        """
        with self.changed:
            self.changed.wait_for(lambda: self.matching(name, **fields), seconds)
            found = self.matching(name, **fields)
        seen = [e for e in self.events if e.get("event") == name]
        assert found, f"no {name} with {fields}; seen: {seen or self.events[-10:]}"
        return found[0]

    def matching(self, name: str, *, port: int | None = None, **fields: object) -> list[Event]:
        """The records of this name with these fields so far.

        The system gives a port to one client after another: what came before the last tunnel
        that opened from `port` is another client's.
        """
        wanted = {"event": name, **fields}
        events = list(self.events)
        if port is not None and name == "tunnel_closed":
            opened = [i for i, e in enumerate(events) if _opened_from(e, port)]
            events = events[opened[-1] :] if opened else []
        return [
            event
            for event in events
            if all(event.get(key) == value for key, value in wanted.items())
            and (port is None or str(event.get("client", "")).endswith(f":{port}"))
        ]

    # -- what the process takes -------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def worker_pids(self) -> list[int]:
        """The processes that serve, the oldest first."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return sorted(map(int, children.split()))

    @property
    def rss(self) -> int:
        """Resident bytes; none under a sanitizer, which keeps what is freed, to find its use."""
        if SANITIZED:
            return 0
        pages = [int(text.split()[1]) for text in self._of_all("statm")]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def descriptors(self) -> int:
        return sum(
            len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
            for pid in (self.pid, *self.worker_pids)
        )

    @property
    def cpu(self) -> float:
        """Seconds of processor time used so far."""
        stats = [text.rpartition(")")[2].split() for text in self._of_all("stat")]
        ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)
        return ticks / os.sysconf("SC_CLK_TCK")

    @property
    def work(self) -> float:
        """Seconds of processor time that the workers used so far, to the microsecond or so."""
        texts = [Path(f"/proc/{pid}/schedstat").read_text() for pid in self.worker_pids]
        return sum(int(text.split()[0]) for text in texts) / 1e9

    def _of_all(self, file: str) -> list[str]:
        """What /proc says of all our processes."""
        return [Path(f"/proc/{pid}/{file}").read_text() for pid in (self.pid, *self.worker_pids)]

    def writes(self, file: Path) -> bool:
        """Whether all workers have a file open."""
        return all(str(file) in _open_files(pid) for pid in self.worker_pids)

    def settled(self, descriptors: int, *, seconds: float = PATIENCE) -> bool:
        """Wait until at most so many descriptors are open."""
        return until(lambda: self.descriptors <= descriptors, seconds)

    # -- readers ----------------------------------------------------------------------------

    def _read_stdout(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                text = line.decode().strip()
                if text.startswith(LISTENING):
                    with self.changed:
                        self.addresses = text.removeprefix(LISTENING).split(", ")
                        self.changed.notify_all()
        with self.changed:
            self._silent = True
            self.changed.notify_all()

    def _read_stderr(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                text = line.decode(errors="backslashreplace").rstrip("\n")
                with self.changed:
                    try:
                        self.events.append(json.loads(text))
                    except ValueError:
                        self.stray.append(text)
                    self.changed.notify_all()

    def _join(self) -> None:
        for reader in self.readers:
            reader.join(PATIENCE)


def _open_files(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed by now
            found.add(os.readlink(entry))  # noqa: PTH115 - it need not be a file
    return found
