"""Plain HTTP by hand, between a scripted client and a scripted upstream."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.raw import Upstream, Wire, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.proxy import Proxy
    from support.raw import Head

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ask(line: str = "GET / HTTP/1.1", *lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([line, "Host: example.com:8080", *lines, "", ""]).encode("latin-1") + body


def chunked(*parts: bytes, trailers: bytes = b"") -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return chunks + b"0\r\n" + trailers + b"\r\n"


def answer(client: Wire) -> tuple[Head, bytes]:
    head = client.read_head()
    return head, client.read_body(head)


def serve(server: Wire, reply: bytes = OK) -> Head:
    head = server.read_head()
    server.send(reply)
    return head


@contextmanager
def exchange(proxy: Proxy, upstream: Upstream, asked: bytes) -> Iterator[tuple[Wire, Wire, Head]]:
    """A client that has asked, the upstream's side on a new connection, and what that was sent."""
    with connect(proxy) as client:
        client.send(asked)
        with upstream.accept() as server:
            yield client, server, server.read_head()
