"""Mutated input for everything that reads what others wrote.

    make fuzz SECONDS=600 TARGETS='request answer'

A target takes bytes and raises what is a fault: an exception that nobody expects, or an assertion.
What it gets is an entry of its corpus after some mutations, by a dictionary of words that mean
something there. The same seed gives the same inputs, so one that fails can be had again. The build
is that of the sanitizers, which end the program at a memory error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import struct
import sys
import time
import tomllib
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import uvloop
from support.checked import pieces
from support.frames import BINARY, PING, TEXT
from support.heads import SWITCHING, UPGRADE, Limits, head
from support.reference import Source, judge
from support.tunnels import DOWN, SIDES, UP, by, closing, opened

from fastws._driver import Driver
from fastws._pipe import Pipe, Rules
from fastws.config import syntax, toml
from fastws.config.flags import Flags, merge
from fastws.config.model import Address
from fastws.config.nginx import check as nginx
from fastws.config.show import show
from fastws.errors import FastwsError, Reject, UpstreamReject
from fastws.protocol.body import Body, ChunkedBody
from fastws.protocol.handshake import check_answer, upgrade_request
from fastws.protocol.handshake import judge as judge_request
from fastws.protocol.head import Head, RequestHead, ResponseHead
from fastws.protocol.headers import Forwarded
from fastws.protocol.proxy_header import ProxyHeader
from fastws.proxy.drivers import bare_sockets
from fastws.proxy.ticket import Ticket, Traffic
from fastws.server import handover
from fastws.server.control import Control
from fastws.server.draining import Drain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastws._memory import MemoryTunnel

CORPUS = Path(__file__).parent / "unit" / "config" / "nginx" / "corpus"
LONGEST = 20_000


class Target(NamedTuple):
    """What is fuzzed, with what it is to begin from."""

    run: Callable[[bytes, random.Random], None]
    corpus: Callable[[], list[bytes]]
    words: list[bytes]


# -- HTTP ---------------------------------------------------------------------------------------

GET = head(b"GET /a?b HTTP/1.1", [b"Host: a", b"X-A: b", b"Connection: X-A, close"])
PUT = head(b"PUT / HTTP/1.1", [b"Host: a:1", b"Transfer-Encoding: chunked"])
OPENING = head(b"GET / HTTP/1.1", UPGRADE)
OK = head(b"HTTP/1.1 200 OK", [b"Content-Length: 5", b"Set-Cookie: a"]) + b"hello"
STREAM = head(b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked", b"Trailer: X"])
CHUNKS = b"5\r\nhello\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n"
SWITCHED = head(b"HTTP/1.1 101 Switching Protocols", SWITCHING)
WORDS = [
    *(b"\r\n", b"\n", b"\r", b":", b" ", b"\t", b"\0", b",", b";", b"0", b"\r\n\r\n", b"HTTP/1.0"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Upgrade: websocket\r\n"),
    *(b"Connection: upgrade\r\n", b"Host: b\r\n", b"Sec-WebSocket-Version: 13\r\n", b"gzip"),
    *(b"ffffffffffffffff", b"18446744073709551616", b"Sec-WebSocket-Extensions: a; b=c\r\n"),
    *(b"%2e%2e/", b"//", b"HTTP/1.1 100 Continue\r\n\r\n", b"\xff", b"x" * 300, b"0\r\n\r\n"),
]


def fed(made: Any, parts: Iterable[bytes]) -> tuple[str, bytes] | None:
    """How a head or header ended, and what was behind it; None if there is more to come."""
    parts = list(parts)
    for number, part in enumerate(parts):
        try:
            rest = made.feed(part)
        except Reject as reject:
            return f"{type(reject).__name__} {reject.status}", b""
        if rest is not None:
            return "", rest + b"".join(parts[number + 1 :])
    return None


def same_head(kind: type[Head], data: bytes, chance: random.Random) -> tuple[Any, bytes] | None:
    """The head that data is, however it is split, and what is behind it."""
    limits = Limits(head_bytes=2000, headers=40)
    whole, split = kind(limits), kind(limits)
    outcome = fed(whole, [data])
    assert fed(split, pieces(data, chance)) == outcome
    if outcome is None or outcome[0]:
        return None
    assert split.headers == whole.headers
    return whole, outcome[1]


def request(data: bytes, chance: random.Random) -> None:
    if not (found := same_head(RequestHead, data, chance)):
        return
    parsed, rest = found
    if parsed.is_handshake:
        with suppress(Reject):
            asked = judge_request(parsed)
            built = upgrade_request(asked, Forwarded(b"192.0.2.1", tls=True, trusted=True))
            assert fed(RequestHead(Limits()), [built]) == ("", b"")
    else:
        same_body(lambda: parsed.body(most=1000), rest, chance)


def answer(data: bytes, chance: random.Random) -> None:
    if not (found := same_head(ResponseHead, data, chance)):
        return
    parsed, rest = found
    asked = RequestHead(Limits())
    asked.feed(OPENING)
    with suppress(UpstreamReject):
        check_answer(judge_request(asked), parsed)
    bare = chance.random() < 0.5
    if parsed.status != 101:
        same_body(lambda: parsed.body(bare=bare), rest, chance)


def chunks(data: bytes, chance: random.Random) -> None:
    bare = chance.random() < 0.5
    most = chance.choice((0, 20))
    same_body(lambda: ChunkedBody(4, most=most, bare=bare), data, chance)


def same_body(make: Callable[[], Body], data: bytes, chance: random.Random) -> None:
    """A body goes on in the same way however it is split, and what goes on is one."""
    whole, split = make(), make()
    went, behind = whole.feed(data)
    parts = [
        split.feed(part) if not split.complete else (b"", part) for part in pieces(data, chance)
    ]
    assert (split.complete, split.fault) == (whole.complete, whole.fault)
    if whole.complete:
        assert b"".join(rest for _, rest in parts) == behind
    if whole.fault is None:
        assert (b"".join(some for some, _ in parts), split.size) == (went, whole.size)
    assert len(went) <= len(data)


# -- frames and tunnels -------------------------------------------------------------------------

MESSAGES = [by(side, TEXT, "naïve 🦉".encode()) for side in SIDES]
MESSAGES += [
    by(DOWN, TEXT, b"a", fin=False)
    + by(DOWN, PING, b"p")
    + by(DOWN, 0, b"b")
    + closing(DOWN, 1000),
    by(UP, BINARY, bytes(70_000))[:300],
    by(UP, BINARY, bytes(200)) + closing(UP, 4000, b"bye"),
]
BYTES = [bytes((each,)) for each in (0, 1, 2, 8, 9, 10, 0x7E, 0x7F, 0x80, 0x88, 0xFE, 0xFF)]
BYTES += [b"\x7f" + b"\xff" * 8, b"\x7e\x00\x7d", b"\xe2\x82", b"\xed\xa0\x80", b"\x03\xe8"]


def frames(data: bytes, chance: random.Random) -> None:
    """A pipe passes on what the reference says, however its input is split."""
    source = Source(
        masked=chance.random() < 0.5,
        max_message=chance.choice((0, 100)),
        validate_utf8=chance.random() < 0.5,
    )
    rules = Rules(max_message=source.max_message, validate_utf8=source.validate_utf8)
    pipe = Pipe(rules, masked=source.masked)
    went = b"".join(pipe.forward(part) for part in pieces(data, chance))
    expected = judge(data, source)
    assert (pipe.verdict, pipe.close_code) == (expected.verdict, expected.close_code)
    assert data.startswith(went)


ENVELOPE = struct.Struct("=HI")


def state(data: bytes, chance: random.Random) -> None:
    """A tunnel that goes on from any state is refused, or sound."""
    body = data[ENVELOPE.size :]
    sealed = data[:2] + struct.pack("=I", zlib.crc32(body)) + body
    tunnel = opened()
    with suppress(ValueError):
        tunnel.restore(sealed, 0)
        for _ in range(4):
            side = chance.choice(SIDES)
            tunnel.receive(side, chance.choice(MESSAGES)[: chance.randrange(200)])
            tunnel.clock(chance.uniform(0, 100))
            tunnel.take(UP)
            tunnel.take(DOWN)


@cache
def states() -> list[bytes]:
    made = []
    for start in (b"", by(DOWN, TEXT, b"hello", fin=False), by(DOWN, TEXT, b"\xe2\x82", fin=False)):
        tunnel: MemoryTunnel = opened(validate_utf8=True, ping=1, idle=5)
        tunnel.receive(DOWN, start)
        tunnel.clock(1)
        made.append(tunnel.state(1))
    return made


# -- what stands before a request ---------------------------------------------------------------

HEADERS = [
    b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\nGET",
    b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + b"GET",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x28" + bytes(40),
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
]


def proxy_header(data: bytes, chance: random.Random) -> None:
    whole, split = ProxyHeader(), ProxyHeader()
    outcome = fed(whole, [data])
    assert fed(split, pieces(data, chance)) == outcome
    assert (split.source, split.destination) == (whole.source, whole.destination)


# -- configurations -----------------------------------------------------------------------------


def nginx_conf(data: bytes, _: random.Random) -> None:
    reading = nginx.read("/nonexistent/nginx.conf", data)
    assert all(each.what for each in reading.findings)
    if not reading.errors:
        configuration(reading.raw)


def toml_file(data: bytes, _: random.Random) -> None:
    syntax.is_nginx(data)
    try:
        raw = toml.parse(data, "f")
    except FastwsError:
        return
    configuration(raw)


def configuration(raw: dict[str, Any]) -> None:
    """What is said of it, if it is wrong, is a sentence; what it comes to can be shown and read."""
    try:
        config = merge(raw, "f", Flags())
    except FastwsError:
        return
    assert merge(tomllib.loads(show(config, {})), "f", Flags()) == config


@cache
def files() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CORPUS.glob("*.conf"))]


@cache
def tables() -> list[bytes]:
    """What the corpus of nginx comes to."""
    made = [b'listeners = [":80"]\n[[upstreams]]\nname = "u"\nservers = ["a:1"]\n']
    for text in files():
        reading = nginx.read("/nonexistent/nginx.conf", text)
        with suppress(FastwsError):
            made.append(show(merge(reading.raw, "f", Flags()), {}).encode())
    return made


DIRECTIVES = [
    *(
        b"{",
        b"}",
        b";",
        b'"',
        b"'",
        b"\\",
        b"#",
        b"$",
        b"${a}",
        b"\n",
        b"server {",
        b"location / {",
    ),
    *(
        b"if ($a ~ (.)) {",
        b"map $a $b {",
        b"upstream u {",
        b"include *;",
        b"return 200 $a;",
        b"\xff",
    ),
    *(
        b"~^(?<a>.*)$",
        b"listen 80 ssl;",
        b"rewrite (.) /$1 last;",
        b"set $a $b$c;",
        b"999999999999",
    ),
]
KEYS = [
    *(
        b"[",
        b"]",
        b"[[",
        b"=",
        b'"',
        b"'''",
        b"{",
        b"}",
        b",",
        b".",
        b"\n",
        b"#",
        b"\\u0000",
        b"nan",
    ),
    *(
        b"-1",
        b"1e999",
        b"[" * 5000,
        b"true",
        b"1979-05-27",
        b'"5s"',
        b"[timeouts]\n",
        b"[[sites]]\n",
    ),
]


# -- what is said to a supervisor, and between workers ------------------------------------------


async def _drain(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"got": msgspec.to_builtins(msgspec.convert(asked, Drain))}
    except msgspec.ValidationError as error:
        raise FastwsError(str(error)) from None


def command(data: bytes, _: random.Random) -> None:
    said = asyncio.run(Control({"drain": _drain})._answer(data))
    assert json.loads(said)["ok"] in {True, False}
    assert said.count(b"\n") == 1


COMMANDS = [
    b'{"command": "drain", "target": "a", "rate": 5, "jitter": 1.5, "move": true}\n',
    b'{"command": "status"}\n',
]
JSON = [
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"1e999", b"-1", b"\\ud800", b"[" * 9000),
    *(b'"deadline": 5', b'"code": 1012', b"true", b"NaN", b"9" * 5000, b"\xff", b'{"a":' * 900),
]


def parcel(data: bytes, chance: random.Random) -> None:
    """Who takes tunnels says what is wrong with nonsense."""
    if chance.random() < 0.8:  # the sizes that fit
        data = handover._HEADER.pack(1, max(0, len(data) - 8)) + data[8:]
    uvloop.run(_take(data))


async def _take(data: bytes) -> None:
    driver = Driver(asyncio.get_running_loop())
    sockets = bare_sockets("epoll", driver)
    assert sockets
    ours, theirs = socket.socketpair()
    with ours, theirs, suppress(FastwsError):
        socket.send_fds(ours, [data[:8]], [ours.fileno(), theirs.fileno()])
        ours.sendall(data[8:])
        ours.shutdown(socket.SHUT_WR)
        await handover.take(theirs, driver, sockets, lambda _: Passage())
    driver.abort()
    await asyncio.sleep(0)


class Passage:
    """Nobody logs what moves here."""

    def ticket(self, traffic: Traffic) -> Ticket:
        raise NotImplementedError

    def left(self, traffic: Traffic) -> None:
        pass

    def over(self, report: object) -> None:
        pass


@cache
def parcels() -> list[bytes]:
    ticket = Ticket(1, "a:1", "tcp://b:2", 0, Address(host="c", port=3), 1.5, (1, 2, 3, 4))
    made = [
        msgspec.msgpack.encode([handover.Parcel(ticket, each, (b"", b"q"))]) for each in states()
    ]
    return [handover._HEADER.pack(1, len(each)) + each for each in made]


# -- mutations ----------------------------------------------------------------------------------

TARGETS = {
    "request": Target(request, lambda: [GET, PUT + CHUNKS, OPENING, GET + OPENING], WORDS),
    "answer": Target(answer, lambda: [OK, STREAM + CHUNKS, SWITCHED + b"\x81\0"], WORDS),
    "chunks": Target(chunks, lambda: [CHUNKS, CHUNKS + GET], WORDS),
    "frames": Target(frames, lambda: MESSAGES, BYTES),
    "state": Target(state, states, BYTES),
    "proxy_header": Target(proxy_header, lambda: HEADERS, [*WORDS, *BYTES, b"65536", b"::"]),
    "nginx_conf": Target(nginx_conf, files, DIRECTIVES),
    "toml_file": Target(toml_file, tables, KEYS),
    "command": Target(command, lambda: COMMANDS, JSON),
    "parcel": Target(parcel, parcels, BYTES),
}


def mutated(target: Target, chance: random.Random) -> bytes:
    """An entry of the corpus, changed in some places."""
    corpus = target.corpus()
    data = bytearray(chance.choice(corpus))
    for _ in range(int(chance.expovariate(0.4))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + int(chance.expovariate(0.1)))
        match chance.randrange(6):
            case 0:
                data[at:end] = b""
            case 1:
                data[at:at] = chance.choice(target.words)
            case 2:
                data[at:end] = chance.choice(target.words)
            case 3:
                data[at:at] = data[at:end] * chance.choice((1, 2, 50))
            case 4 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case _:
                other = chance.choice(corpus)
                data[at:] = other[chance.randrange(len(other)) :]
    return bytes(data[:LONGEST])


def play(name: str, seed: int) -> None:
    """Let a target have the input of that number."""
    chance = random.Random(seed)
    target = TARGETS[name]
    target.run(mutated(target, chance), chance)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    parser.add_argument("--seconds", type=float, default=600, help="for each target")
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args()
    for name in options.targets:
        seed, deadline = options.seed, time.monotonic() + options.seconds
        while time.monotonic() < deadline:
            print(f"{name} {seed}", end="\r", flush=True)  # who dies of it says which it was
            try:
                play(name, seed)
            except Exception:
                print(f"play({name!r}, {seed}):", mutated(TARGETS[name], random.Random(seed)))
                raise
            seed += 1
        print(f"{name}: {seed - options.seed} inputs from {options.seed} on, no fault")
    return 0


if __name__ == "__main__":
    sys.exit(main())
