"""Frames through a tunnel: good ones verbatim, bad ones not at all.

Every rule is tried in both directions: `sender` misbehaves, `receiver` must not notice more than a
close frame.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, close_payload
from support.proxy import Proxy
from support.raw import Upstream, Wire, meanwhile, switching, tunnel
from support.waiting import PATIENCE, SOON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"

both_directions = pytest.mark.parametrize("direction", ["from client", "from upstream"])


@contextmanager
def directed(
    proxy: Proxy, upstream: Upstream, direction: str, *, deflate: bool = False
) -> Iterator[tuple[Wire, Wire]]:
    """An open tunnel as sender and receiver."""
    more = (DEFLATE,) if deflate else ()
    with tunnel(proxy, upstream, *more, switch=switching(*more)) as (client, server):
        yield (client, server) if direction == "from client" else (server, client)


# -- good frames --------------------------------------------------------------------------------


@both_directions
def test_frames_are_relayed_verbatim(proxy: Proxy, upstream: Upstream, direction: str) -> None:
    """Not one byte differs: masking keys, fragments and empty frames included."""
    with directed(proxy, upstream, direction) as (sender, receiver):
        keys = (b"\0\0\0\0", b"\xff\x01\x80\x7f") if sender.key else (None, None)
        wire = b"".join(
            sender.frame(opcode, payload, fin=fin, key=key)
            for key in keys
            for opcode, payload, fin in (
                (TEXT, "grüße".encode(), True),
                (BINARY, b"", True),
                (BINARY, b"x" * 125, True),
                (BINARY, b"y" * 126, True),
                (BINARY, b"z" * 65_535, True),
                (BINARY, b"w" * 65_536, True),
                (PING, b"p" * 125, True),
                (PONG, b"", True),
                (TEXT, b"", False),
                (CONTINUATION, b"mid", False),
                (PING, b"between", True),
                (CONTINUATION, b"", False),
                (PONG, b"between", True),
                (CONTINUATION, b"end", True),
            )
        )
        with meanwhile(sender.send, wire):
            assert receiver.read(len(wire)) == wire


@both_directions
def test_frames_may_come_byte_by_byte(proxy: Proxy, upstream: Upstream, direction: str) -> None:
    with directed(proxy, upstream, direction) as (sender, receiver):
        wire = (
            sender.frame(TEXT, b"hello")
            + sender.frame(PING, b"p")
            + sender.frame(BINARY, b"x" * 200)
        )
        with meanwhile(sender.drip, wire):
            assert receiver.read(len(wire)) == wire


@both_directions
def test_a_frame_is_not_held_back_until_it_is_whole(
    proxy: Proxy, upstream: Upstream, direction: str
) -> None:
    with directed(proxy, upstream, direction) as (sender, receiver):
        first = sender.header(BINARY, 1 << 40) + b"the first bytes of a terabyte"
        sender.send(first)
        assert receiver.read(len(first)) == first


@both_directions
def test_compressed_frames_pass_when_the_extension_was_agreed(
    proxy: Proxy, upstream: Upstream, direction: str
) -> None:
    with directed(proxy, upstream, direction, deflate=True) as (sender, receiver):
        sender.send_frame(TEXT, b"\xf2\x48\xcd", fin=False, rsv=4)
        sender.send_frame(CONTINUATION, b"\xc9\xc9\x07\x00")
        first, second = receiver.read_frame(), receiver.read_frame()
        assert (first.rsv, first.payload) == (4, b"\xf2\x48\xcd")
        assert (second.rsv, second.payload) == (0, b"\xc9\xc9\x07\x00")


def test_the_largest_close_frame_passes(proxy: Proxy, upstream: Upstream) -> None:
    reason = "ü" * 61
    with tunnel(proxy, upstream) as (client, server):
        client.send_close(4999, reason)
        assert server.read_close() == (4999, reason)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1010, 1011, 1012, 3000, 4999, None])
@both_directions
def test_every_valid_close_passes(
    proxy: Proxy, upstream: Upstream, direction: str, code: int | None
) -> None:
    with directed(proxy, upstream, direction) as (sender, receiver):
        sender.send_close(code)
        assert receiver.read_close() == (code, "")


# -- bad frames ---------------------------------------------------------------------------------


def unmasked_or_masked(sender: Wire) -> bytes:
    """A frame masked the wrong way round for its direction."""
    return sender.frame(TEXT, b"bad", key=None if sender.key else b"abcd")


def form(opcode: int, payload: bytes = b"bad", **how: object) -> Callable[[Wire], bytes]:
    return lambda sender: sender.frame(opcode, payload, **how)


def declared(opcode: int, length: int, **how: object) -> Callable[[Wire], bytes]:
    """A header alone: it must be enough."""
    return lambda sender: sender.header(opcode, length, **how)


BAD_FRAMES = {
    "wrong masking": (unmasked_or_masked, 1002),
    "RSV1": (form(TEXT, rsv=4), 1002),
    "RSV2": (form(TEXT, rsv=2), 1002),
    "RSV3": (form(BINARY, rsv=1), 1002),
    "RSV1 on a ping": (form(PING, rsv=4), 1002),
    **{f"opcode {n:#x}": (form(n), 1002) for n in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)},
    "fragmented ping": (form(PING, fin=False), 1002),
    "fragmented pong": (form(PONG, fin=False), 1002),
    "fragmented close": (form(CLOSE, close_payload(1000), fin=False), 1002),
    "ping of 126 bytes": (form(PING, b"x" * 126), 1002),
    "pong of 126 bytes": (form(PONG, b"x" * 126), 1002),
    "close of 126 bytes": (form(CLOSE, close_payload(1000, "x" * 124)), 1002),
    "ping with a two-byte length": (form(PING, b"x", length_bytes=2), 1002),
    "stray continuation": (form(CONTINUATION), 1002),
    "stray unfinished continuation": (form(CONTINUATION, fin=False), 1002),
    "two-byte length for 125": (form(TEXT, b"x" * 125, length_bytes=2), 1002),
    "two-byte length for 0": (form(TEXT, b"", length_bytes=2), 1002),
    "eight-byte length for 65535": (form(BINARY, b"x" * 65_535, length_bytes=8), 1002),
    "eight-byte length for 5": (form(TEXT, b"hello", length_bytes=8), 1002),
    "length with the top bit": (declared(BINARY, 1 << 63), 1002),
    "the largest length": (declared(BINARY, (1 << 64) - 1), 1002),
    "close of one byte": (form(CLOSE, b"\x03"), 1002),
    **{
        f"close code {code}": (form(CLOSE, close_payload(code, "bad")), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
    },
    "close reason not UTF-8": (form(CLOSE, close_payload(1000, b"caf\xe9")), 1007),
    "close reason cut in a character": (form(CLOSE, close_payload(1000, b"\xe2\x82")), 1007),
    "close reason with a surrogate": (form(CLOSE, close_payload(1000, b"\xed\xa0\x80")), 1007),
}


def expect_failure(proxy: Proxy, sender: Wire, receiver: Wire, code: int) -> None:
    """Both sides get a close frame with the code and nothing else, and are let go."""
    assert sender.read_close()[0] == code
    assert receiver.read_close()[0] == code
    port = (sender if sender.key else receiver).port
    sender.close()
    receiver.send_close(code)
    receiver.expect_end()
    receiver.close()
    record = proxy.event("tunnel_closed", port=port)
    assert (record["ended_by"], record["code"]) == ("rule", code)
    assert record["reason"]


@pytest.mark.parametrize(("bad", "code"), BAD_FRAMES.values(), ids=BAD_FRAMES)
@both_directions
def test_a_bad_frame_fails_the_tunnel_and_does_not_cross(
    proxy: Proxy, upstream: Upstream, direction: str, bad: Callable[[Wire], bytes], code: int
) -> None:
    with directed(proxy, upstream, direction) as (sender, receiver):
        sender.send(bad(sender))
        expect_failure(proxy, sender, receiver, code)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        pytest.param(*BAD_FRAMES[name], id=name)
        for name in ("wrong masking", "RSV1", "opcode 0xb", "length with the top bit")
    ],
)
@both_directions
def test_good_frames_before_a_bad_one_arrive_and_good_ones_after_it_do_not(
    proxy: Proxy, upstream: Upstream, direction: str, bad: Callable[[Wire], bytes], code: int
) -> None:
    with directed(proxy, upstream, direction) as (sender, receiver):
        sender.send(
            sender.frame(TEXT, b"first")
            + sender.frame(PING, b"second")
            + bad(sender)
            + sender.frame(TEXT, b"never")
        )
        assert receiver.read_message() == b"first"
        assert receiver.read_frame().payload == b"second"
        expect_failure(proxy, sender, receiver, code)


@pytest.mark.parametrize(("bad", "code"), BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_a_bad_frame_is_found_byte_by_byte(
    proxy: Proxy, upstream: Upstream, bad: Callable[[Wire], bytes], code: int
) -> None:
    with tunnel(proxy, upstream) as (client, server):
        with suppress(OSError):  # the tunnel may have failed before the last byte
            client.drip(bad(client)[:300])
        expect_failure(proxy, client, server, code)


@both_directions
def test_an_offender_that_stays_is_let_go(upstream: Upstream, direction: str) -> None:
    settings = {"timeouts.close": "0.5", "timeouts.linger": "0.5"}
    with (
        Proxy(upstream, settings=settings) as proxy,
        directed(proxy, upstream, direction) as (sender, receiver),
    ):
        sender.send_frame(0xB, b"bad")
        assert sender.read_close()[0] == receiver.read_close()[0] == 1002
        for wire in (sender, receiver):
            wire.sock.settimeout(SOON)
            wire.expect_end()


@pytest.mark.parametrize(
    ("opcode", "how"),
    [
        pytest.param(TEXT, {}, id="text"),
        pytest.param(BINARY, {"fin": False}, id="binary"),
    ],
)
@both_directions
def test_a_new_message_inside_a_fragmented_one_is_bad(
    proxy: Proxy, upstream: Upstream, direction: str, opcode: int, how: dict[str, object]
) -> None:
    with directed(proxy, upstream, direction) as (sender, receiver):
        sender.send_frame(TEXT, b"begun", fin=False)
        sender.send_frame(opcode, b"bad", **how)
        assert receiver.read_frame() == Frame(TEXT, b"begun", fin=False, masked=bool(sender.key))
        expect_failure(proxy, sender, receiver, 1002)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([(PING, True, 4)], id="RSV1 on a ping"),
        pytest.param([(TEXT, True, 2)], id="RSV2"),
        pytest.param([(TEXT, False, 4), (CONTINUATION, True, 4)], id="RSV1 on a continuation"),
    ],
)
@both_directions
def test_compression_allows_RSV1_on_a_first_data_frame_only(  # noqa: N802
    proxy: Proxy,
    upstream: Upstream,
    direction: str,
    frames: list[tuple[int, bool, int]],
) -> None:
    with directed(proxy, upstream, direction, deflate=True) as (sender, receiver):
        for opcode, fin, rsv in frames:
            sender.send_frame(opcode, b"x", fin=fin, rsv=rsv)
        for _ in frames[:-1]:
            receiver.read_frame()
        expect_failure(proxy, sender, receiver, 1002)


@both_directions
def test_an_extension_that_was_only_offered_is_not_agreed(
    proxy: Proxy, upstream: Upstream, direction: str
) -> None:
    with tunnel(proxy, upstream, DEFLATE) as (client, server):
        sender, receiver = (client, server) if direction == "from client" else (server, client)
        sender.send_frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)
        expect_failure(proxy, sender, receiver, 1002)


# -- text and sizes -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(shared_upstream: Upstream) -> Iterator[Proxy]:
    """A route that validates text and limits messages."""
    settings = {"routes[0].validate_utf8": "true", "routes[0].max_message": "64k"}
    with Proxy(shared_upstream, settings=settings) as proxy:
        yield proxy


BAD_TEXT = {
    "a lone byte": [b"caf\xe9"],
    "an overlong slash": [b"\xc0\xaf"],
    "a surrogate": [b"\xed\xa0\x80"],
    "beyond the last code point": [b"\xf4\x90\x80\x80"],
    "cut at the end": [b"\xe2\x82"],
    "cut at the end, in fragments": [b"ok", b"\xe2", b"\x82"],
    "bad across fragments": [b"\xe2", b"\x28\xa1"],
}


@pytest.mark.parametrize("fragments", BAD_TEXT.values(), ids=BAD_TEXT)
@both_directions
def test_bad_text_fails_a_validating_route(
    strict: Proxy, upstream: Upstream, direction: str, fragments: list[bytes]
) -> None:
    with directed(strict, upstream, direction) as (sender, receiver):
        *first, last = fragments
        for number, fragment in enumerate(first):
            sender.send_frame(CONTINUATION if number else TEXT, fragment, fin=False)
            assert receiver.read_frame().payload == fragment
        sender.send_frame(CONTINUATION if first else TEXT, last)
        expect_failure(strict, sender, receiver, 1007)


@both_directions
def test_good_text_passes_a_validating_route(
    strict: Proxy, upstream: Upstream, direction: str
) -> None:
    text = "κόσμε 💡 grüße".encode()
    with directed(strict, upstream, direction) as (sender, receiver):
        for cut in range(len(text) + 1):
            sender.send_frame(TEXT, text[:cut], fin=False)
            sender.send_frame(PING, b"\xff")
            sender.send_frame(CONTINUATION, text[cut:])
            sender.send_frame(BINARY, b"\xff\xfe")
            found = [receiver.read_frame().payload for _ in range(4)]
            assert found == [text[:cut], b"\xff", text[cut:], b"\xff\xfe"]


def test_text_is_not_read_where_nobody_asked(proxy: Proxy, upstream: Upstream) -> None:
    with tunnel(proxy, upstream) as (client, server):
        client.send_frame(TEXT, b"\xff\xfe")
        assert server.read_message() == b"\xff\xfe"


@both_directions
def test_a_message_too_big_is_refused_by_its_declared_length(
    strict: Proxy, upstream: Upstream, direction: str
) -> None:
    with directed(strict, upstream, direction) as (sender, receiver):
        sender.send_frame(BINARY, b"x" * 65_536)
        assert receiver.read_message() == b"x" * 65_536
        sender.send(sender.header(BINARY, 65_537))
        expect_failure(strict, sender, receiver, 1009)


@both_directions
def test_fragments_add_up_to_the_limit(strict: Proxy, upstream: Upstream, direction: str) -> None:
    with directed(strict, upstream, direction) as (sender, receiver):
        sender.send_frame(BINARY, b"x" * 40_000, fin=False)
        sender.send_frame(PING, b"p" * 125)
        assert len(receiver.read_frame().payload) == 40_000
        assert receiver.read_frame().opcode == PING
        sender.send(sender.header(CONTINUATION, 25_537))
        expect_failure(strict, sender, receiver, 1009)


# -- floods -------------------------------------------------------------------------------------

FLOODS = {
    "tiny frames": lambda sender: sender.frame(BINARY, b"x") * 400_000,
    "empty messages": lambda sender: sender.frame(BINARY) * 400_000,
    "empty fragments": lambda sender: (
        sender.frame(TEXT, fin=False) + sender.frame(CONTINUATION, fin=False) * 400_000
    ),
    "pings": lambda sender: sender.frame(PING, b"x" * 125) * 50_000,
    "pings inside a message": lambda sender: (
        sender.frame(TEXT, fin=False) + sender.frame(PING) * 400_000
    ),
}


def echo(client: Wire, server: Wire, times: int) -> None:
    for number in range(times):
        message = b"still here %d" % number
        client.send_frame(TEXT, message)
        assert server.read_message() == message
        server.send_frame(TEXT, message)
        assert client.read_message() == message


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
@both_directions
def test_a_flood_crosses_whole_and_other_tunnels_still_answer(
    proxy: Proxy, upstream: Upstream, direction: str, flood: Callable[[Wire], bytes]
) -> None:
    with (
        tunnel(proxy, upstream) as (client, server),
        directed(proxy, upstream, direction) as (sender, receiver),
    ):
        data = flood(sender)
        before = proxy.rss
        with (
            meanwhile(sender.send, data),
            meanwhile(lambda: receiver.read(len(data)) == data) as arrived,
        ):
            echo(client, server, 50)
            assert arrived.result(PATIENCE)
        assert proxy.rss - before < 2 << 20
