"""What clients may send as a handshake, and what an upstream then gets to see.

A refused request gets its status and a sentence, its connection ends, and no upstream hears of it.
"""

from __future__ import annotations

import time

import pytest
from support.frames import TEXT
from support.proxy import Proxy
from support.raw import NONCE, Upstream, Wire, connect, handshake, request, switching, tunnel
from support.waiting import SOON


def refused(client: Wire) -> int:
    """Read a whole refusal: a status, a body that says why, and the end."""
    answer = client.read_head()
    assert "close" in answer["Connection"].split(", ")
    assert client.read(int(answer["Content-Length"])).strip()
    client.expect_end()
    return answer.status


def lines(*head: str) -> bytes:
    return "\r\n".join([*head, "", ""]).encode("latin-1")


def start_line(line: str) -> bytes:
    return request().replace(b"GET /chat HTTP/1.1", line.encode("latin-1"))


NO_KEY = request(without=["Sec-WebSocket-Key"])

BAD_REQUESTS = {
    "http-0.9": (b"GET /chat\r\n\r\n", 400),
    "http-0.9 with bare LF": (b"GET /chat\n", 400),
    "http-2.0": (start_line("GET /chat HTTP/2.0"), 400),
    "http-1.2": (start_line("GET /chat HTTP/1.2"), 400),
    "no version": (start_line("GET /chat HTTP"), 400),
    "two spaces": (start_line("GET  /chat HTTP/1.1"), 400),
    "two spaces before the version": (start_line("GET /chat  HTTP/1.1"), 400),
    "tab for a space": (start_line("GET\t/chat HTTP/1.1"), 400),
    "trailing space": (start_line("GET /chat HTTP/1.1 "), 400),
    "space in the target": (start_line("GET /a b HTTP/1.1"), 400),
    "absolute form": (start_line("GET http://10.0.0.1/chat HTTP/1.1"), 400),
    "absolute form, ws": (start_line("GET ws://10.0.0.1/chat HTTP/1.1"), 400),
    "asterisk": (start_line("GET * HTTP/1.1"), 400),
    "no slash": (start_line("GET chat HTTP/1.1"), 400),
    "fragment": (start_line("GET /chat#top HTTP/1.1"), 400),
    "control byte in the target": (start_line("GET /ch\x01at HTTP/1.1"), 400),
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "no host": (request(without=["Host"]), 400),
    "two hosts": (request("/chat", "Host: other.example"), 400),
    "userinfo in the host": (request(host="user@example.com"), 400),
    "space in the host": (request(host="example.com evil"), 400),
    "slash in the host": (request(host="example.com/evil"), 400),
    "content-length": (request("/chat", "Content-Length: 5") + b"hello", 400),
    "chunked": (request("/chat", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "both lengths": (
        request("/chat", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        400,
    ),
    "transfer-encoding before content-length": (
        request("/chat", "Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n",
        400,
    ),
    "two lengths": (request("/chat", "Content-Length: 5", "Content-Length: 6"), 400),
    "a list of lengths": (request("/chat", "Content-Length: 5, 6"), 400),
    "signed length": (request("/chat", "Content-Length: +5"), 400),
    "negative length": (request("/chat", "Content-Length: -1"), 400),
    "hexadecimal length": (request("/chat", "Content-Length: 0x5"), 400),
    "odd coding": (request("/chat", "Transfer-Encoding: xchunked"), 400),
    "chunked in http-1.0": (
        lines("GET / HTTP/1.0", "Host: example.com", "Transfer-Encoding: chunked"),
        400,
    ),
    "bare LF": (request().replace(b"\r\n", b"\n"), 400),
    "one bare LF": (request().replace(b"Upgrade: websocket\r\n", b"Upgrade: websocket\n"), 400),
    "bare CR": (request("/chat", "X-A: one\rX-B: two"), 400),
    "obs-fold": (request("/chat", "X-A: one\r\n two"), 400),
    "obs-fold on the first line": (
        request().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\n X-A: one\r\n"),
        400,
    ),
    "NUL in a value": (request("/chat", "X-A: on\x00e"), 400),
    "control byte in a value": (request("/chat", "X-A: on\x0be"), 400),
    "DEL in a value": (request("/chat", "X-A: on\x7fe"), 400),
    "control byte in a name": (request("/chat", "X\x01A: one"), 400),
    "space before the colon": (request("/chat", "X-A : one"), 400),
    "space in a name": (request("/chat", "X A: one"), 400),
    "empty name": (request("/chat", ": one"), 400),
    "no colon": (request("/chat", "one"), 400),
    "no key": (NO_KEY, 400),
    "two keys": (request("/chat", f"Sec-WebSocket-Key: {NONCE}"), 400),
    "short key": (NO_KEY[:-2] + b"Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n", 400),
    "key of 17 bytes": (NO_KEY[:-2] + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n", 400),
    "key that is not base64": (
        NO_KEY[:-2] + b"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n\r\n",
        400,
    ),
    "no version 13": (request(without=["Sec-WebSocket-Version"]), 426),
    "version 8": (
        request("/chat", "Sec-WebSocket-Version: 8", without=["Sec-WebSocket-Version"]),
        426,
    ),
    "no upgrade": (request(without=["Upgrade"]), 426),
    "no connection": (request(without=["Connection"]), 426),
    "connection without upgrade": (
        request("/chat", "Connection: keep-alive", without=["Connection"]),
        426,
    ),
    "long head": (request("/chat", *[f"X-{i}: {'x' * 4000}" for i in range(20)]), 431),
    "one long header": (request("/chat", "X-A: " + "x" * 70_000), 431),
    "201 headers": (request("/chat", *[f"X-{i}: x" for i in range(196)]), 431),
    "long target": (request("/" + "x" * 9000), 414),
}


@pytest.mark.parametrize(("head", "status"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_refused_and_nothing_is_dialled(
    proxy: Proxy, upstream: Upstream, head: bytes, status: int
) -> None:
    with connect(proxy) as client:
        client.send(head)
        assert refused(client) == status
        record = proxy.event("handshake_refused", port=client.port)
        assert record["status"] == status
        assert record["reason"]
    upstream.expect_nobody()


@pytest.mark.parametrize(
    ("head", "statuses"),
    [
        pytest.param(start_line("GET /chat HTTP/1.0"), {400, 426, 505}, id="http-1.0"),
        pytest.param(start_line("POST /chat HTTP/1.1"), {400, 405, 426}, id="POST"),
        pytest.param(start_line("get /chat HTTP/1.1"), {400, 405, 501}, id="lower-case method"),
        pytest.param(start_line("BREW /chat HTTP/1.1"), {400, 405, 501}, id="unknown method"),
        pytest.param(
            lines("CONNECT example.com:443 HTTP/1.1", "Host: example.com:443"),
            {405},
            id="CONNECT",
        ),
        pytest.param(request("/chat", "Sec-WebSocket-Version: 8"), {400, 426}, id="two versions"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}, id="http-2 preface"),
    ],
)
def test_a_request_with_more_than_one_fault_is_refused(
    proxy: Proxy, upstream: Upstream, head: bytes, statuses: set[int]
) -> None:
    with connect(proxy) as client:
        client.send(head)
        assert refused(client) in statuses
    upstream.expect_nobody()


def test_the_limits_are_the_last_values_allowed(proxy: Proxy, upstream: Upstream) -> None:
    for head in (
        request("/chat", *[f"X-{i}: x" for i in range(195)]),
        request("/" + "x" * 8000),
        request("/chat", "X-A: " + "x" * 60_000),
    ):
        with connect(proxy) as client:
            client.send(head)
            with upstream.accept() as server:
                server.read_head()


def test_a_refusal_of_the_version_names_the_right_one(proxy: Proxy) -> None:
    with connect(proxy) as client:
        client.send(request("/chat", "Sec-WebSocket-Version: 8", without=["Sec-WebSocket-Version"]))
        assert client.read_head()["Sec-WebSocket-Version"] == "13"


def test_an_origin_that_is_not_allowed_is_refused(upstream: Upstream) -> None:
    settings = {"routes[0].allowed_origins": '["https://a.example"]'}
    with Proxy(upstream, settings=settings) as proxy:
        for origin in ("https://b.example", "https://a.example.evil", "null"):
            with connect(proxy) as client:
                client.send(request("/chat", f"Origin: {origin}"))
                assert refused(client) == 403
        upstream.expect_nobody()
        with connect(proxy) as client:
            client.send(request("/chat", "Origin: https://a.example"))
            with upstream.accept() as server:
                assert server.read_head()["Origin"] == "https://a.example"


# -- what the upstream is sent ------------------------------------------------------------------


def forwarded(proxy: Proxy, upstream: Upstream, head: bytes) -> tuple[Wire, Wire]:
    client = connect(proxy)
    client.send(head)
    return client, upstream.accept()


def test_end_to_end_headers_arrive_exact_and_in_order(proxy: Proxy, upstream: Upstream) -> None:
    own = [
        "Origin: https://app.example",
        'Cookie: a=1; b="x y"',
        "X-Empty:",
        "x-lower: v",
        "Cookie: c=2",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "X-Bytes: caf\xe9 \x80\xff",
        "Authorization: Basic dXNlcjpwYXNz",
    ]
    client, server = forwarded(proxy, upstream, request("/a%2Fb//c/../d?x=%00&y=[1]|{2}", *own))
    with client, server:
        head = server.read_head()
        assert head.start == "GET /a%2Fb//c/../d?x=%00&y=[1]|{2} HTTP/1.1"
        assert head["Host"] == "example.com:8080"
        assert head["Upgrade"].lower() == "websocket"
        assert head["Connection"].lower() == "upgrade"
        assert head["Sec-WebSocket-Key"] == NONCE
        assert head["Sec-WebSocket-Version"] == "13"
        names = {line.partition(":")[0] for line in own}
        kept = [f"{name}: {value}".strip() for name, value in head.headers if name in names]
        assert kept == own


def test_a_target_of_other_bytes_goes_on_exact_or_not_at_all(
    proxy: Proxy, upstream: Upstream
) -> None:
    with connect(proxy) as client:
        client.send(request("/caf\xe9"))
        client.half_close()
        answer = client.receive()
        if answer.startswith(b"HTTP/1.1 400"):
            upstream.expect_nobody()
        else:
            with upstream.accept() as server:
                assert server.read_head().target == "/caf\xe9"


def test_odd_but_valid_spellings_are_understood(proxy: Proxy, upstream: Upstream) -> None:
    head = request(
        "/chat",
        "connection: keep-alive,  uPGRADE",
        "UPGRADE: WebSocket",
        without=["Connection", "Upgrade"],
    )
    client, server = forwarded(proxy, upstream, head)
    with client, server:
        seen = server.read_head()
        assert seen["Upgrade"].lower() == "websocket"
        assert seen["Connection"].lower() == "upgrade"


def test_hop_by_hop_and_nominated_headers_stay_behind(proxy: Proxy, upstream: Upstream) -> None:
    head = request(
        "/chat",
        "Connection: Upgrade, X-Secret, keep-alive",
        "X-Secret: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "X-Kept: 1",
        "Connection: x-other",
        "X-Other: 1",
        without=["Connection"],
    )
    client, server = forwarded(proxy, upstream, head)
    with client, server:
        seen = server.read_head()
        assert seen["Connection"].lower() == "upgrade"
        assert seen["X-Kept"] == "1"
        for name in ("X-Secret", "X-Other", "Keep-Alive", "Proxy-Connection", "TE"):
            assert seen.all(name) == [], name


def test_host_and_our_own_headers_cannot_be_nominated_away(
    proxy: Proxy, upstream: Upstream
) -> None:
    nominated = "Host, X-Forwarded-For, X-Forwarded-Proto, Sec-WebSocket-Key, Sec-WebSocket-Version"
    head = request("/chat", f"Connection: Upgrade, {nominated}", without=["Connection"])
    client, server = forwarded(proxy, upstream, head)
    with client, server:
        seen = server.read_head()
        assert seen["Host"] == "example.com:8080"
        assert seen["X-Forwarded-For"] == "127.0.0.1"
        assert seen["X-Forwarded-Proto"] == "http"
        assert seen["Sec-WebSocket-Key"] == NONCE
        assert seen["Sec-WebSocket-Version"] == "13"


def test_spoofed_forwarding_headers_are_overwritten(proxy: Proxy, upstream: Upstream) -> None:
    spoofed = (
        "X-Forwarded-For: 10.1.1.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example",
        "X-Real-IP: 10.1.1.1",
        "Forwarded: for=10.1.1.1",
        "X_Forwarded_For: 10.1.1.1",
        "X_Custom: 10.1.1.1",
    )
    client, server = forwarded(proxy, upstream, request("/chat", *spoofed))
    with client, server:
        seen = server.read_head()
        assert seen["X-Forwarded-For"] == "127.0.0.1"
        assert seen["X-Forwarded-Proto"] == "http"
        assert seen["X-Forwarded-Host"] == "example.com:8080"
        assert b"10.1.1.1" not in seen.raw
        assert b"evil.example" not in seen.raw


# -- bytes and time -----------------------------------------------------------------------------


def test_bytes_glued_to_the_request_arrive_after_the_101(proxy: Proxy, upstream: Upstream) -> None:
    with connect(proxy) as client:
        client.send(request() + client.frame(TEXT, b"early"))
        with upstream.accept() as server:
            server.read_head()
            server.expect_silence()
            server.send(switching())
            assert server.read_message() == b"early"
            assert client.read_head().status == 101


def test_early_bytes_beyond_the_buffer_wait_in_the_client(proxy: Proxy, upstream: Upstream) -> None:
    message = bytes(range(256)) * 2048
    with connect(proxy) as client:
        client.send(request() + client.frame(TEXT, message))
        with upstream.accept() as server:
            server.read_head()
            server.expect_silence()
            server.send(switching())
            assert server.read_message() == message


def test_early_bytes_of_a_refused_client_go_nowhere(proxy: Proxy, upstream: Upstream) -> None:
    with connect(proxy) as client:
        client.send(request() + client.frame(TEXT, b"early"))
        with upstream.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            answer = client.read_head()
            assert (answer.status, client.read_body(answer)) == (403, b"no")
            server.expect_end()


def test_a_request_may_come_byte_by_byte(proxy: Proxy, upstream: Upstream) -> None:
    with connect(proxy) as client:
        client.drip(request("/drip", "Cookie: a=1"))
        with upstream.accept() as server:
            head = server.read_head()
            assert (head.target, head["Cookie"]) == ("/drip", "a=1")
            server.drip(switching("Set-Cookie: b=2"))
            answer = client.read_head()
            assert (answer.status, answer["Set-Cookie"]) == (101, "b=2")


def test_a_slow_head_is_cut_at_an_absolute_deadline(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"timeouts.head": "1"}) as proxy:
        with connect(proxy) as silent, connect(proxy) as dripping, connect(proxy) as half:
            half.send(request()[:40])
            start = time.monotonic()
            for byte in request()[:-1]:
                try:
                    dripping.send(bytes([byte]))
                except OSError:
                    break
                if time.monotonic() - start > 0.8:
                    break
                time.sleep(0.02)
            assert dripping.read_head().status == 408
            assert half.read_head().status == 408
            # One that never said anything may be let go without a word.
            assert silent.read_all()[:12] in {b"", b"HTTP/1.1 408"}
            assert time.monotonic() - start < SOON
        upstream.expect_nobody()


def test_the_first_byte_gives_a_head_no_more_time(upstream: Upstream) -> None:
    with (
        Proxy(upstream, settings={"timeouts.head": "1"}) as proxy,
        connect(proxy) as first,
    ):
        time.sleep(0.3)
        with connect(proxy) as second:
            second.send(request()[:40])
            time.sleep(0.3)
            first.send(request()[:40])
            assert second.read_head().status == 408
            first.sock.settimeout(0)  # its time was up before
            assert first.read_head().status == 408


def test_a_connection_that_ends_inside_the_head_is_forgotten(
    proxy: Proxy, upstream: Upstream
) -> None:
    with connect(proxy) as other, handshake(other, upstream):
        before = proxy.descriptors
        for end in (Wire.reset, Wire.close):
            client = connect(proxy)
            client.send(request()[:50])
            end(client)
        assert proxy.settled(before)
    upstream.expect_nobody()


def test_a_head_of_blanks_that_breaks_off_does_not_stop_the_others(
    proxy: Proxy, upstream: Upstream
) -> None:
    with tunnel(proxy, upstream) as (other, server):
        for end in (Wire.reset, Wire.close, Wire.half_close):
            with connect(proxy) as client:
                client.send(b"GET / HTTP/1.1\r\nX:" + b" " * 60_000)
                client.arrive()
                port = client.port
                end(client)
                proxy.event("handshake_refused", port=port, status=400)
        other.send_text("still here")
        assert server.read_message() == b"still here"


def test_a_client_that_leaves_before_the_101_frees_the_upstream(
    proxy: Proxy, upstream: Upstream
) -> None:
    for end in (Wire.reset, Wire.close):
        client = connect(proxy)
        client.send(request())
        with upstream.accept() as server:
            server.read_head()
            end(client)
            server.sock.settimeout(SOON)
            server.expect_end()


def test_the_tls_hello_has_a_deadline(upstream: Upstream, certificates) -> None:  # noqa: ANN001
    listen = ("wss://127.0.0.1:0",)
    settings = {"timeouts.head": "0.5"}
    with (
        Proxy(upstream, listen=listen, flags=certificates.flags, settings=settings) as proxy,
        connect(proxy) as silent,
        connect(proxy) as plain,
    ):
        plain.send(request())
        plain.receive()  # an alert, or the end
        silent.sock.settimeout(SOON)
        silent.expect_end()
        upstream.expect_nobody()


def test_a_full_house_answers_503(upstream: Upstream) -> None:
    with Proxy(upstream, settings={"limits.connections": 2}) as proxy:
        with tunnel(proxy, upstream) as (first, _), tunnel(proxy, upstream) as (_, server):
            with connect(proxy) as third:
                third.send(request())
                assert third.read_head().status == 503
            upstream.expect_nobody()
            server.send_text("still here")
            first.expect_silence()
        proxy.event("tunnel_closed")
        with tunnel(proxy, upstream):
            pass
