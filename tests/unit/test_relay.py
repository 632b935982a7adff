"""The pipe and the tunnel over memory: what went in, what came out, what the driver had to do."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    close_payload,
    header,
    parse,
)
from support.tunnels import (
    DOWN,
    NAMES,
    SIDES,
    UP,
    Side,
    by,
    closing,
    got,
    got_close,
    let_answers_pass,
    let_upstream_answer,
    opened,
    other,
)

from fastws._memory import MemoryTunnel
from fastws._relay import Ending

both_ways = pytest.mark.parametrize("side", SIDES)

# A text of ten bytes, cut where only part of its payload has crossed.
LONG = b"0123456789"


class TestPayloadThatNobodySees:
    """What is left of a judged frame may go on without us; what is said of it stays true."""

    @both_ways
    def test_it_ends_where_the_frame_does(self, side: Side) -> None:
        tunnel, sent = opened(), by(side, BINARY, bytes(200_000))
        tunnel.receive(side, sent[:5000])
        assert tunnel.splice(side, sent[5000:100_000]) == 95_000
        assert tunnel.splice(side, sent[100_000:] + sent) == len(sent) - 100_000
        assert tunnel.splice(side, sent) == 0
        tunnel.receive(side, sent)
        assert tunnel.take(other(side)) == sent * 2
        pipe = tunnel.upward if side == DOWN else tunnel.downward
        assert (pipe.forwarded, pipe.messages) == (2 * len(sent), 2)

    @both_ways
    def test_a_fragment_ends_no_message(self, side: Side) -> None:
        tunnel, sent = opened(), by(side, BINARY, LONG, fin=False)
        tunnel.receive(side, sent[:-4])
        assert tunnel.splice(side, sent[-4:]) == 4
        pipe = tunnel.upward if side == DOWN else tunnel.downward
        assert pipe.messages == 0
        tunnel.receive(side, by(side, BINARY, b"not a continuation"))
        assert tunnel.ending == Ending.RULE

    @both_ways
    def test_text_under_validation_is_seen(self, side: Side) -> None:
        tunnel, sent = opened(validate_utf8=True), by(side, TEXT, LONG)
        tunnel.receive(side, sent[:-4])
        assert tunnel.splice(side, sent[-4:]) == 0

    @both_ways
    def test_a_close_frame_of_ours_stands_behind_it(self, side: Side) -> None:
        tunnel, sent = opened(), by(side, TEXT, LONG)
        tunnel.receive(side, sent[:-4])
        tunnel.shut_down(1001, b"now", Ending.SHUTDOWN)
        assert tunnel.splice(side, sent[-4:]) == 4
        text, close = got(tunnel, other(side))
        assert (text.payload, close.close) == (LONG, (1001, "now"))
        assert tunnel.splice(side, by(side, TEXT, b"late")) == 0

    @both_ways
    def test_what_is_queued_of_it_pauses_the_source(self, side: Side) -> None:
        tunnel, sent = opened(queued_bytes=1000), by(side, BINARY, bytes(5000))
        tunnel.receive(side, sent[:100])
        tunnel.blocked.add(other(side))
        tunnel.splice(side, sent[100:1100])
        assert tunnel.log == []
        tunnel.splice(side, sent[1100:1101])
        assert tunnel.log == [("pause", side)]


class TestFramesGoOn:
    @both_ways
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
    def test_a_message_is_relayed_verbatim(self, side: Side, size: int) -> None:
        tunnel = opened()
        sent = by(side, BINARY, bytes(size))
        tunnel.receive(side, sent)
        assert tunnel.take(other(side)) == sent
        assert tunnel.take(side) == b""
        assert tunnel.log == []

    @both_ways
    def test_payload_streams_and_headers_wait(self, side: Side) -> None:
        tunnel = opened()
        sent = by(side, BINARY, bytes(300))
        size = len(sent) - 300
        for i in range(size - 1):
            tunnel.receive(side, sent[i : i + 1])
            assert tunnel.take(other(side)) == b""
        tunnel.receive(side, sent[size - 1 : size + 5])
        assert tunnel.take(other(side)) == sent[: size + 5]

    @both_ways
    @pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
    def test_a_control_frame_crosses_whole(self, side: Side, opcode: int) -> None:
        tunnel = opened()
        payload = close_payload(1000, b"r" * 123) if opcode == CLOSE else bytes(125)
        sent = by(side, opcode, payload)
        for i in range(len(sent) - 1):
            tunnel.receive(side, sent[i : i + 1])
            assert tunnel.take(other(side)) == b""
        tunnel.receive(side, sent[-1:])
        assert tunnel.take(other(side)) == sent

    @both_ways
    def test_control_frames_inside_fragments(self, side: Side) -> None:
        tunnel = opened()
        sent = (
            by(side, TEXT, b"a", fin=False)
            + by(side, PING, b"b")
            + by(side, CONTINUATION, b"", fin=False)
            + by(side, PONG)
            + by(side, CONTINUATION, b"c")
        )
        tunnel.receive(side, sent)
        assert tunnel.take(other(side)) == sent
        assert (tunnel.upward.messages, tunnel.downward.messages) == (
            (1, 0) if side == DOWN else (0, 1)
        )

    @both_ways
    def test_the_counters(self, side: Side) -> None:
        tunnel = opened()
        sent = by(side, TEXT, b"a") + by(side, PING) + by(side, BINARY, b"b" * 200)
        tunnel.receive(side, sent + by(side, BINARY, LONG)[:-1])
        pipe = tunnel.upward if side == DOWN else tunnel.downward
        assert (pipe.messages, pipe.forwarded) == (2, len(tunnel.take(other(side))))
        assert not pipe.boundary
        tunnel.receive(side, by(side, BINARY, LONG)[-1:])
        assert (pipe.messages, pipe.boundary) == (3, True)


class Bad(NamedTuple):
    """A frame that breaks a rule, after an optional beginning that is fine."""

    rule: str
    bad: bytes
    code: int = 1002
    before: bytes = b""

    def __str__(self) -> str:
        return f"{self.rule} {self.bad[:4].hex()}"


def bad_frames(side: Side) -> list[Bad]:
    rsv = "RSV bit without an extension"
    minimal = "length not in its shortest form"
    opened_text = by(side, TEXT, b"a", fin=False)
    key = None if side == UP else b"key!"
    wrong_key = b"key!" if side == UP else None
    mask = "masked frame" if side == UP else "frame without a mask"
    return [
        Bad(mask, by(side, TEXT, b"bad", key=wrong_key)),
        Bad(mask, by(side, PING, b"bad", key=wrong_key)),
        *(Bad(rsv, by(side, BINARY, b"bad", rsv=bits)) for bits in (1, 2, 4)),
        Bad(rsv, by(side, CONTINUATION, b"bad", rsv=4), before=opened_text),
        Bad("RSV bit on a control frame", by(side, PING, b"bad", rsv=4)),
        *(Bad("reserved opcode", by(side, op, b"bad")) for op in (3, 4, 5, 6, 7)),
        *(Bad("reserved opcode", by(side, op, b"bad")) for op in (11, 12, 13, 14, 15)),
        *(
            Bad("fragmented control frame", by(side, op, b"", fin=False))
            for op in (CLOSE, PING, PONG)
        ),
        *(
            Bad("control frame of more than 125 bytes", by(side, op, bytes(126)))
            for op in (CLOSE, PING, PONG)
        ),
        Bad("control frame of more than 125 bytes", by(side, PING, bytes(70000))),
        Bad("continuation without a message", by(side, CONTINUATION, b"bad")),
        Bad(
            "continuation without a message",
            by(side, CONTINUATION, b"bad"),
            before=opened_text + by(side, CONTINUATION),
        ),
        *(
            Bad("new message inside a fragmented one", by(side, op, b"bad"), before=opened_text)
            for op in (TEXT, BINARY)
        ),
        Bad(minimal, by(side, TEXT, b"bad", length_bytes=2)),
        Bad(minimal, by(side, TEXT, bytes(125), length_bytes=2)),
        Bad(minimal, by(side, TEXT, bytes(125), length_bytes=8)),
        Bad(minimal, by(side, TEXT, bytes(65535), length_bytes=8)),
        Bad(minimal, header(BINARY, 1 << 63, key=key)),
        Bad(minimal, header(BINARY, (1 << 64) - 1, key=key)),
        Bad("close frame of one byte", by(side, CLOSE, b"\x03")),
        Bad("close code 999", closing(side, 999)),
        Bad("close reason that is not UTF-8", closing(side, 1000, b"\xff"), 1007),
        Bad("close reason that is not UTF-8", closing(side, 1000, b"\xe2\x82"), 1007),
    ]


bad_either_way = pytest.mark.parametrize(
    ("side", "bad"), [(side, bad) for side in SIDES for bad in bad_frames(side)], ids=str
)


def check_violation(tunnel: MemoryTunnel, side: Side, bad: Bad, good: list[Frame]) -> None:
    """Both sides have their close frame, and the violator the end of file."""
    reason = f"{NAMES[side]}: {bad.rule}"
    let_upstream_answer(tunnel)
    found = got(tunnel, other(side))
    assert found[-1].close == (bad.code, reason)
    assert found[:-1] == good
    let_answers_pass(tunnel, side)
    assert got_close(tunnel, side) == (bad.code, reason)
    assert tunnel.log[-1:] == [("eof", side)]
    assert (tunnel.ending, tunnel.code) == (Ending.RULE, bad.code)
    assert tunnel.reason == reason.encode()


def frames_of(side: Side, data: bytes) -> list[Frame]:
    """What the other side should see of `data`."""
    tunnel = opened()
    tunnel.receive(side, data)
    return got(tunnel, other(side))


class TestBrokenRules:
    @bad_either_way
    def test_in_one_segment(self, side: Side, bad: Bad) -> None:
        tunnel = opened()
        before = by(side, TEXT, b"good") + by(side, PING, b"good") + bad.before
        tunnel.receive(side, before + bad.bad + by(side, TEXT, b"after"))
        check_violation(tunnel, side, bad, frames_of(side, before))

    @bad_either_way
    def test_byte_by_byte(self, side: Side, bad: Bad) -> None:
        tunnel = opened()
        for byte in bad.before + bad.bad + by(side, TEXT, b"after"):
            tunnel.receive(side, bytes([byte]))
        check_violation(tunnel, side, bad, frames_of(side, bad.before))

    @both_ways
    @pytest.mark.parametrize(
        ("first", "allowed", "opcode", "rsv", "fine"),
        [
            (0x40, 0, BINARY, 4, True),
            (0x40, 0, BINARY, 2, False),
            (0x40, 0, BINARY, 6, False),
            (0x60, 0, BINARY, 6, True),
            (0x40, 0, CONTINUATION, 4, False),
            (0x40, 0x40, CONTINUATION, 4, True),
            (0, 0x40, BINARY, 4, False),
            (0x70, 0x70, PING, 4, False),
            (0x70, 0x70, PONG, 1, False),
        ],
    )
    def test_rsv_bits_of_extensions(
        self, side: Side, first: int, allowed: int, opcode: int, rsv: int, *, fine: bool
    ) -> None:
        tunnel = opened(rsv_first=first, rsv_rest=allowed)
        if opcode == CONTINUATION:
            tunnel.receive(side, by(side, TEXT, b"a", fin=False))
        tunnel.receive(side, by(side, opcode, b"b", rsv=rsv))
        last = got(tunnel, other(side))[-1]
        assert (last.payload == b"b") == fine
        assert (tunnel.code == 1002) == (not fine)

    @both_ways
    def test_the_close_waits_for_the_end_of_the_other_directions_frame(self, side: Side) -> None:
        tunnel, rest = opened(), by(other(side), TEXT, LONG)
        tunnel.receive(other(side), rest[:-3])
        tunnel.receive(side, by(side, 3, b"bad"))
        assert tunnel.take(side) == rest[:-3]
        assert got_close(tunnel, other(side))[0] == 1002
        let_answers_pass(tunnel, side)
        tunnel.receive(other(side), rest[-3:] + by(other(side), TEXT, b"late"))
        assert tunnel.take(side)[:3] == rest[-3:]
        assert tunnel.log[-1:] == [("eof", side)]

    @both_ways
    def test_the_other_sides_answer_is_awaited(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, by(side, 3))
        tunnel.receive(other(side), closing(other(side), 1002))
        tunnel.receive_eof(other(side))
        assert ("eof", other(side)) in tunnel.log
        assert ("release", other(side)) in tunnel.log
        tunnel.receive_eof(side)
        assert ("release", side) in tunnel.log
        assert not tunnel.over
        tunnel.lose(side)
        tunnel.lose(other(side))
        assert tunnel.over

    @both_ways
    def test_a_flood_after_the_verdict_is_dropped(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, by(side, 3))
        got(tunnel, UP), got(tunnel, DOWN)
        forwarded = tunnel.upward.forwarded, tunnel.downward.forwarded
        tunnel.receive(side, by(side, TEXT, bytes(100_000)))
        assert (tunnel.take(UP), tunnel.take(DOWN)) == (b"", b"")
        assert (tunnel.upward.forwarded, tunnel.downward.forwarded) == forwarded

    @both_ways
    def test_the_first_rule_broken_is_the_one_in_the_log(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, by(side, 3))
        tunnel.receive(other(side), by(other(side), PING, bytes(126)))
        assert tunnel.reason == f"{NAMES[side]}: reserved opcode".encode()
        assert ("eof", other(side)) in tunnel.log
        assert [len(got(tunnel, UP)), len(got(tunnel, DOWN))] == [1, 1]

    def test_answers_to_a_client_that_broke_a_rule_still_reach_it(self) -> None:
        tunnel = opened()
        tunnel.receive(DOWN, by(DOWN, TEXT, b"question") + by(DOWN, 3))
        assert tunnel.log == [("wake", 0.1)]
        assert [frame.payload for frame in got(tunnel, UP)] == [b"question"]
        tunnel.receive(UP, by(UP, TEXT, b"answer"))
        tunnel.wake()
        assert tunnel.log[-1] == ("wake", 0.5)
        assert got_close(tunnel, UP) == (1002, "client: reserved opcode")
        tunnel.receive(UP, by(UP, TEXT, b"more") + closing(UP, 1002, "heard"))
        answer, more, close = got(tunnel, DOWN)
        assert (answer.payload, more.payload) == (b"answer", b"more")
        assert close.close == (1002, "client: reserved opcode")
        tunnel.wake()
        assert tunnel.take(DOWN) == b""

    def test_a_client_that_breaks_a_rule_and_goes(self) -> None:
        tunnel = opened()
        tunnel.receive(DOWN, by(DOWN, TEXT, b"question") + by(DOWN, 3))
        tunnel.receive_eof(DOWN)
        question, close = got(tunnel, UP)
        assert (question.payload, close.close) == (b"question", (1002, "client: reserved opcode"))
        tunnel.wake()
        assert tunnel.take(UP) == b""
        assert tunnel.ending == Ending.RULE

    def test_an_upstream_that_closes_before_its_time_is_up(self) -> None:
        tunnel = opened()
        tunnel.receive(DOWN, by(DOWN, TEXT, b"question") + by(DOWN, 3))
        tunnel.receive(UP, by(UP, TEXT, b"answer") + closing(UP, 1000))
        answer, close = got(tunnel, DOWN)
        assert (answer.payload, close.close) == (b"answer", (1002, "client: reserved opcode"))
        tunnel.wake()
        assert got(tunnel, UP)[-1].close == (1002, "client: reserved opcode")

    def test_an_upstream_that_ends_instead_of_answering(self) -> None:
        tunnel = opened()
        tunnel.receive(DOWN, by(DOWN, 3))
        tunnel.receive_eof(UP)
        assert got_close(tunnel, DOWN) == (1002, "client: reserved opcode")
        tunnel.wake()
        assert tunnel.take(DOWN) == b""


class TestLengths:
    @both_ways
    def test_the_limit_is_each_messages_own(self, side: Side) -> None:
        tunnel = opened(max_message=100)
        sent = by(side, TEXT, bytes(60), fin=False) + by(side, PING, bytes(90))
        sent += by(side, CONTINUATION, bytes(40)) + by(side, TEXT, bytes(100))
        tunnel.receive(side, sent)
        assert tunnel.take(other(side)) == sent

    @both_ways
    def test_a_message_that_grows_too_big(self, side: Side) -> None:
        tunnel = opened(max_message=100)
        tunnel.receive(side, by(side, TEXT, bytes(60), fin=False))
        tunnel.receive(side, by(side, CONTINUATION, bytes(41)))
        let_upstream_answer(tunnel)
        first, close = got(tunnel, other(side))
        assert len(first.payload) == 60
        assert close.close == (1009, f"{NAMES[side]}: message of more than 100 bytes")
        let_answers_pass(tunnel, side)
        assert got_close(tunnel, side) == close.close
        assert tunnel.code == 1009


# Autobahn's cases 7.7 and 7.9, with the codes that IANA has registered since.
VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
VALID_CODES += [3000, 3999, 4000, 4999]
INVALID_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


class TestClose:
    @both_ways
    @pytest.mark.parametrize("code", VALID_CODES)
    def test_codes_that_pass(self, side: Side, code: int) -> None:
        tunnel = opened()
        tunnel.receive(side, closing(side, code, "über"))
        assert got_close(tunnel, other(side)) == (code, "über")
        assert (tunnel.code, tunnel.reason) == (code, "über".encode())
        assert tunnel.ending == (Ending.CLIENT_CLOSED if side == DOWN else Ending.UPSTREAM_CLOSED)

    @both_ways
    @pytest.mark.parametrize("code", INVALID_CODES)
    def test_codes_that_do_not(self, side: Side, code: int) -> None:
        tunnel = opened()
        tunnel.receive(side, closing(side, code))
        assert got_close(tunnel, other(side)) == (1002, f"{NAMES[side]}: close code {code}")
        assert tunnel.ending == Ending.RULE

    @both_ways
    def test_an_empty_close_frame(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, closing(side))
        assert got_close(tunnel, other(side)) == (None, "")
        assert (tunnel.code, tunnel.reason) == (1005, b"")

    @both_ways
    def test_a_close_inside_a_fragmented_message(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, by(side, TEXT, b"a", fin=False) + closing(side, 1000))
        assert [found.opcode for found in got(tunnel, other(side))] == [TEXT, CLOSE]

    @both_ways
    def test_bytes_after_a_close_are_dropped(self, side: Side) -> None:
        tunnel = opened()
        close = closing(side, 1000, "bye")
        tunnel.receive(side, close + by(side, TEXT, b"after") + by(side, 3))
        tunnel.receive(side, by(side, TEXT, b"later"))
        tunnel.receive(side, closing(side, 1001))
        assert tunnel.take(other(side)) == close
        assert tunnel.take(side) == b""
        assert (tunnel.code, tunnel.log) == (1000, [])

    @both_ways
    def test_the_other_side_may_finish_its_messages(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, closing(side, 1000))
        rest = by(other(side), TEXT, b"last") + closing(other(side), 1000)
        tunnel.receive(other(side), rest)
        assert tunnel.take(side) == rest

    @both_ways
    def test_the_server_ends_the_connection_first(self, side: Side) -> None:
        # RFC 6455 section 7.1.1; we are the client's server
        tunnel = opened()
        tunnel.receive(side, closing(side, 1000))
        assert tunnel.log == []
        tunnel.receive(other(side), closing(other(side), 1000))
        assert tunnel.log == [("eof", DOWN), ("release", DOWN)]
        tunnel.receive_eof(UP)
        assert tunnel.log[2:] == [("eof", UP), ("release", UP)]

    def test_the_last_frame_and_the_end_of_file_go_together(self) -> None:
        tunnel = opened()
        tunnel.receive(DOWN, closing(DOWN, 1000))
        assert tunnel.awaited == set()  # nobody knows when the answer comes
        tunnel.receive(UP, by(UP, TEXT, b"last") + closing(UP, 1000))
        assert (tunnel.merged, tunnel.awaited) == ({DOWN}, set())

    def test_so_do_those_that_were_queued(self) -> None:
        tunnel = opened()
        tunnel.blocked = {DOWN}
        tunnel.receive(DOWN, closing(DOWN, 1000))
        tunnel.receive(UP, closing(UP, 1000))
        tunnel.unblock(DOWN)
        assert (tunnel.merged, tunnel.awaited) == ({DOWN}, set())

    def test_a_close_frame_of_ours_and_the_end_of_file_go_together(self) -> None:
        tunnel = opened()
        tunnel.receive_eof(UP)
        assert (tunnel.merged, tunnel.awaited) == ({DOWN}, set())

    @both_ways
    def test_a_client_that_ends_first(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, closing(side, 1000))
        tunnel.receive(other(side), closing(other(side), 1000))
        tunnel.receive_eof(DOWN)
        assert tunnel.log == [("eof", DOWN), ("release", DOWN), ("eof", UP), ("release", UP)]

    def test_both_close_at_once(self) -> None:
        tunnel = opened()
        tunnel.receive(UP, closing(UP, 1001, "server"))
        tunnel.receive(DOWN, closing(DOWN, 1000, "client"))
        assert got_close(tunnel, DOWN) == (1001, "server")
        assert got_close(tunnel, UP) == (1000, "client")
        assert (tunnel.ending, tunnel.code) == (Ending.UPSTREAM_CLOSED, 1001)

    @both_ways
    def test_the_end_of_file_behind_a_close(self, side: Side) -> None:
        """A peer that closes without waiting for the answer."""
        tunnel = opened()
        tunnel.receive(side, closing(side, 1000))
        tunnel.receive_eof(side)
        assert tunnel.log == [("eof", other(side))]
        assert tunnel.ending in {Ending.CLIENT_CLOSED, Ending.UPSTREAM_CLOSED}
        assert got_close(tunnel, other(side)) == (1000, "")
        assert tunnel.take(side) == b""

    @both_ways
    def test_a_broken_rule_instead_of_the_answer(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, closing(side, 1000))
        tunnel.receive(other(side), by(other(side), 3))
        assert got_close(tunnel, side)[0] == 1002
        assert got_close(tunnel, other(side)) == (1000, "")
        assert tunnel.code == 1000


def ended_at_once(first: Side) -> list[tuple[str, str]]:
    """What the driver has to do where both sides answer our close, `first` before the other."""
    return [(did, side) for side in (first, other(first)) for did in ("eof", "release")]


class TestShutDown:
    def test_between_frames(self) -> None:
        tunnel = opened()
        tunnel.shut_down(1001, b"going away", Ending.SHUTDOWN)
        assert got_close(tunnel, DOWN) == (1001, "going away")
        assert got_close(tunnel, UP) == (1001, "going away")
        assert (tunnel.ending, tunnel.code, tunnel.reason) == (
            Ending.SHUTDOWN,
            1001,
            b"going away",
        )
        assert tunnel.log == []

    @both_ways
    def test_inside_a_frame(self, side: Side) -> None:
        tunnel, sent = opened(), by(side, TEXT, LONG)
        tunnel.receive(side, sent[:-4])
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        assert tunnel.take(other(side)) == sent[:-4]
        assert got_close(tunnel, side) == (1001, "")
        tunnel.receive(side, sent[-4:-1])
        assert tunnel.take(other(side)) == sent[-4:-1]
        tunnel.receive(side, sent[-1:] + by(side, TEXT, b"late"))
        assert tunnel.take(other(side))[:1] == sent[-1:]
        tunnel.receive(side, by(side, TEXT, b"later"))
        assert tunnel.take(other(side)) == b""

    @both_ways
    def test_the_close_stands_right_behind_the_frame(self, side: Side) -> None:
        tunnel, sent = opened(), by(side, TEXT, LONG)
        tunnel.receive(side, sent[:-4])
        tunnel.shut_down(1001, b"now", Ending.SHUTDOWN)
        tunnel.receive(side, sent[-4:] + by(side, TEXT, b"late"))
        text, close = got(tunnel, other(side))
        assert (text.payload, close.close) == (LONG, (1001, "now"))

    @both_ways
    @pytest.mark.parametrize("left", [1, 3, 5])
    def test_inside_a_held_frame(self, side: Side, left: int) -> None:
        tunnel, ping = opened(), by(side, PING, LONG)
        tunnel.receive(side, ping[:-left])
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        assert got_close(tunnel, other(side)) == (1001, "")
        tunnel.receive(side, ping[-left:])
        assert tunnel.take(other(side)) == b""
        tunnel.receive(side, closing(side, 1001))
        tunnel.receive(other(side), closing(other(side), 1001))
        assert tunnel.log == ended_at_once(side)

    @both_ways
    def test_inside_a_fragmented_message(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, by(side, TEXT, b"a", fin=False))
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        assert [found.opcode for found in got(tunnel, other(side))] == [TEXT, CLOSE]
        tunnel.receive(side, by(side, CONTINUATION, b"b"))
        assert tunnel.take(other(side)) == b""

    @both_ways
    def test_the_handshake_is_let_finish(self, side: Side) -> None:
        tunnel = opened()
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        got(tunnel, UP), got(tunnel, DOWN)
        tunnel.receive(side, by(side, TEXT, b"crossed on the way") + closing(side, 1001))
        assert tunnel.log == ended_at_once(side)[:2]
        tunnel.receive(other(side), closing(other(side), 1001))
        assert tunnel.log == ended_at_once(side)
        assert (tunnel.take(UP), tunnel.take(DOWN)) == (b"", b"")
        assert (tunnel.upward.messages, tunnel.downward.messages) == (0, 0)

    @both_ways
    def test_after_a_close(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive(side, closing(side, 1000))
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        assert got_close(tunnel, other(side)) == (1000, "")
        assert tunnel.take(side) == b""
        assert tunnel.code == 1000

    def test_twice(self) -> None:
        tunnel = opened()
        tunnel.shut_down(1001, b"first", Ending.SHUTDOWN)
        tunnel.shut_down(1012, b"second", Ending.SHUTDOWN)
        assert got_close(tunnel, DOWN) == got_close(tunnel, UP) == (1001, "first")

    def test_a_long_reason_is_cut(self) -> None:
        tunnel = opened()
        tunnel.shut_down(1001, b"r" * 200, Ending.SHUTDOWN)
        assert got_close(tunnel, DOWN) == got_close(tunnel, UP) == (1001, "r" * 123)

    def test_a_long_reason_stays_utf8(self) -> None:
        tunnel = opened()
        tunnel.shut_down(1001, "ü".encode() * 62, Ending.SHUTDOWN)
        assert got_close(tunnel, DOWN) == (1001, "ü" * 61)

    def test_our_masks_differ(self) -> None:
        seen = set()
        for _ in range(8):
            tunnel = opened()
            tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
            seen.add(tunnel.take(UP))
        assert len(seen) > 1

    @both_ways
    def test_a_side_that_is_lost_inside_a_frame_meanwhile(self, side: Side) -> None:
        tunnel, sent = opened(), by(side, TEXT, LONG)
        tunnel.receive(side, sent[:-4])
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        tunnel.lose(side)
        assert tunnel.take(other(side)) == sent[:-4]
        assert tunnel.log == [("eof", other(side))]


class TestLostAndEnded:
    @pytest.mark.parametrize("event", [MemoryTunnel.lose, MemoryTunnel.receive_eof])
    def test_the_upstream_between_frames(self, event: type[MemoryTunnel.lose]) -> None:
        tunnel = opened()
        tunnel.receive(UP, by(UP, TEXT, b"last") + by(UP, TEXT, b"cut header")[:1])
        event(tunnel, UP)
        text, close = got(tunnel, DOWN)
        assert (text.payload, close.close) == (b"last", (1014, "upstream connection lost"))
        assert tunnel.log == [("eof", DOWN)]
        assert (tunnel.ending, tunnel.code) == (Ending.UPSTREAM_LOST, 1014)
        assert tunnel.take(UP) == b""

    @pytest.mark.parametrize("event", [MemoryTunnel.lose, MemoryTunnel.receive_eof])
    def test_the_upstream_inside_a_fragmented_message(self, event: type[MemoryTunnel.lose]) -> None:
        tunnel = opened()
        tunnel.receive(UP, by(UP, TEXT, b"a", fin=False))
        event(tunnel, UP)
        assert got(tunnel, DOWN)[-1].close == (1014, "upstream connection lost")

    @both_ways
    @pytest.mark.parametrize("event", [MemoryTunnel.lose, MemoryTunnel.receive_eof])
    def test_inside_a_frame_no_close_is_put(
        self, side: Side, event: type[MemoryTunnel.lose]
    ) -> None:
        tunnel, sent = opened(), by(side, TEXT, LONG)
        tunnel.receive(side, sent[:-3])
        event(tunnel, side)
        assert tunnel.take(other(side)) == sent[:-3]
        assert tunnel.log == [("eof", other(side))]
        assert tunnel.code == 1006

    @pytest.mark.parametrize("event", [MemoryTunnel.lose, MemoryTunnel.receive_eof])
    def test_the_client(self, event: type[MemoryTunnel.lose]) -> None:
        tunnel = opened()
        event(tunnel, DOWN)
        assert (tunnel.take(UP), tunnel.take(DOWN)) == (b"", b"")
        assert tunnel.log == [("eof", UP)]
        assert (tunnel.ending, tunnel.code) == (Ending.CLIENT_LOST, 1006)

    def test_after_the_clients_half_close_the_upstream_may_still_answer(self) -> None:
        tunnel = opened()
        tunnel.receive(DOWN, by(DOWN, TEXT, b"question"))
        tunnel.receive_eof(DOWN)
        tunnel.receive(UP, by(UP, TEXT, b"answer"))
        assert got(tunnel, UP)[0].payload == b"question"
        assert got(tunnel, DOWN)[0].payload == b"answer"
        tunnel.receive_eof(UP)
        assert set(tunnel.log) == {("eof", UP), ("eof", DOWN), ("release", UP), ("release", DOWN)}
        assert len(tunnel.log) == 4

    def test_after_the_upstreams_half_close_the_client_may_still_send(self) -> None:
        tunnel = opened()
        tunnel.receive_eof(UP)
        tunnel.receive(DOWN, by(DOWN, TEXT, b"late") + closing(DOWN, 1000))
        assert [found.payload for found in got(tunnel, UP)] == [b"late", b"\x03\xe8"]
        tunnel.receive_eof(DOWN)
        assert tunnel.log == [("eof", DOWN), ("release", DOWN), ("eof", UP), ("release", UP)]

    @both_ways
    def test_nothing_is_sent_to_a_side_that_is_gone(self, side: Side) -> None:
        tunnel = opened()
        tunnel.lose(side)
        tunnel.take(other(side))
        tunnel.receive(other(side), by(other(side), TEXT, b"nobody"))
        tunnel.receive(other(side), by(other(side), 3))
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        assert tunnel.take(side) == b""
        assert ("eof", side) not in tunnel.log
        assert ("release", side) not in tunnel.log

    @both_ways
    def test_over_when_both_are_gone(self, side: Side) -> None:
        tunnel = opened()
        tunnel.lose(side)
        tunnel.lose(side)
        assert not tunnel.over
        tunnel.lose(other(side))
        assert tunnel.over
        assert tunnel.log.count(("eof", other(side))) == 1

    @both_ways
    def test_lost_after_its_end_of_file(self, side: Side) -> None:
        tunnel = opened()
        tunnel.receive_eof(side)
        tunnel.receive_eof(side)
        tunnel.lose(side)
        assert tunnel.log == [("eof", other(side))]

    def test_abort(self) -> None:
        tunnel = opened()
        tunnel.abort()
        assert tunnel.log == [("abort", DOWN), ("abort", UP)]
        tunnel.receive(DOWN, by(DOWN, TEXT, b"a"))
        tunnel.receive(UP, by(UP, TEXT, b"a"))
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        assert (tunnel.take(UP), tunnel.take(DOWN)) == (b"", b"")
        tunnel.lose(DOWN)
        tunnel.lose(UP)
        tunnel.abort()
        assert tunnel.over
        assert tunnel.log == [("abort", DOWN), ("abort", UP)]


class TestFlow:
    @both_ways
    def test_the_source_pauses_above_the_limit(self, side: Side) -> None:
        tunnel, sent = opened(queued_bytes=100), by(side, BINARY, bytes(60))
        tunnel.blocked.add(other(side))
        tunnel.receive(side, sent)
        assert tunnel.log == []
        tunnel.receive(side, sent)
        tunnel.receive(side, sent)
        assert tunnel.log == [("pause", side)]
        assert tunnel.take(other(side)) == b""
        tunnel.unblock(other(side))
        assert tunnel.log == [("pause", side), ("resume", side)]
        assert tunnel.take(other(side)) == sent * 3

    @both_ways
    def test_exactly_the_limit_is_not_above_it(self, side: Side) -> None:
        sent = by(side, BINARY, bytes(60))
        tunnel = opened(queued_bytes=len(sent))
        tunnel.blocked.add(other(side))
        tunnel.receive(side, sent)
        assert tunnel.log == []

    @both_ways
    def test_directions_are_independent(self, side: Side) -> None:
        tunnel = opened(queued_bytes=10)
        tunnel.blocked.add(other(side))
        tunnel.receive(side, by(side, BINARY, bytes(60)))
        back = by(other(side), BINARY, bytes(60))
        tunnel.receive(other(side), back)
        assert tunnel.take(side) == back
        assert tunnel.log == [("pause", side)]

    @both_ways
    def test_the_end_of_file_waits_for_the_queue(self, side: Side) -> None:
        tunnel, sent = opened(), by(side, BINARY, bytes(60))
        tunnel.blocked.add(other(side))
        tunnel.receive(side, sent)
        tunnel.receive_eof(side)
        assert tunnel.log == []
        tunnel.unblock(other(side))
        assert tunnel.log == [("eof", other(side))]
        assert tunnel.take(other(side))[: len(sent)] == sent

    @both_ways
    def test_the_last_bytes_of_a_lost_side_arrive(self, side: Side) -> None:
        tunnel, sent = opened(queued_bytes=10), by(side, BINARY, bytes(60)) + closing(side, 1000)
        tunnel.blocked.add(other(side))
        tunnel.receive(side, sent)
        tunnel.lose(side)
        assert tunnel.log == [("pause", side)]
        tunnel.unblock(other(side))
        assert tunnel.log == [("pause", side), ("eof", other(side))]
        assert tunnel.take(other(side)) == sent

    @both_ways
    def test_a_reader_that_is_lost_resumes_its_source(self, side: Side) -> None:
        tunnel = opened(queued_bytes=10)
        tunnel.blocked.add(other(side))
        tunnel.receive(side, by(side, BINARY, bytes(60)))
        tunnel.lose(other(side))
        assert tunnel.log[:2] == [("pause", side), ("resume", side)]
        assert ("eof", side) in tunnel.log

    @both_ways
    def test_the_close_of_ours_waits_in_the_queue(self, side: Side) -> None:
        tunnel = opened()
        tunnel.blocked.add(other(side))
        tunnel.receive(side, by(side, TEXT, b"good") + by(side, 3))
        let_answers_pass(tunnel, side)
        assert tunnel.log[-1:] == [("eof", side)]
        tunnel.unblock(other(side))
        text, close = got(tunnel, other(side))
        assert (text.payload, close.close[0]) == (b"good", 1002)

    @both_ways
    def test_the_violators_close_is_flushed_before_its_end(self, side: Side) -> None:
        tunnel = opened()
        tunnel.blocked.add(side)
        tunnel.receive(side, by(side, 3))
        let_answers_pass(tunnel, side)
        assert ("eof", side) not in tunnel.log
        tunnel.unblock(side)
        assert tunnel.log[-1:] == [("eof", side)]
        assert got_close(tunnel, side)[0] == 1002


class TestClock:
    def test_without_limits_nothing_ends(self) -> None:
        tunnel = opened()
        for now in (0, 1e6, 1e9):
            tunnel.clock(now)
        assert (tunnel.ending, tunnel.log) == (Ending.OPEN, [])

    @both_ways
    def test_idle(self, side: Side) -> None:
        tunnel = opened(idle=60, close=10)
        tunnel.clock(1000)
        tunnel.clock(1059)
        tunnel.receive(side, by(side, PING))
        tunnel.take(other(side))
        tunnel.clock(1060)
        tunnel.clock(1119)
        assert tunnel.ending == Ending.OPEN
        tunnel.clock(1120)
        assert got_close(tunnel, DOWN) == got_close(tunnel, UP) == (1001, "idle timeout")
        assert (tunnel.ending, tunnel.code) == (Ending.IDLE, 1001)

    @both_ways
    def test_idle_inside_a_frame(self, side: Side) -> None:
        tunnel, sent = opened(idle=60, close=10), by(side, TEXT, LONG)
        tunnel.receive(side, sent[:-1])
        for now in (0, 60):
            tunnel.clock(now)
        assert tunnel.take(other(side)) == sent[:-1]
        assert got_close(tunnel, side)[0] == 1001
        tunnel.receive(side, sent[-1:])
        assert tunnel.take(other(side))[1:3] in {b"\x88\x8e", b"\x88\x0e"}

    def test_a_side_that_never_answers_a_close(self) -> None:
        tunnel = opened(close=30, linger=5)
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        tunnel.receive(UP, closing(UP, 1001))
        tunnel.lose(UP)
        tunnel.log.clear()
        for now in (100, 104.9):
            tunnel.clock(now)
        assert tunnel.log == []
        tunnel.clock(105)
        assert tunnel.log == [("abort", DOWN)]

    def test_two_sides_that_never_answer_a_close(self) -> None:
        tunnel = opened(close=30, linger=5)
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        for now in (100, 129):
            tunnel.clock(now)
        assert tunnel.log == []
        tunnel.clock(130)
        assert tunnel.log == [("abort", DOWN), ("abort", UP)]

    def test_no_time_for_an_answer_to_a_close(self) -> None:
        tunnel = opened(close=0)
        tunnel.clock(99)
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        tunnel.clock(100)
        assert tunnel.log == [("abort", DOWN), ("abort", UP)]

    @both_ways
    def test_a_frame_that_drips_does_not_hold_our_close_frame(self, side: Side) -> None:
        tunnel = opened(close=30)
        tunnel.receive(side, by(side, BINARY, bytes(1000))[:20])
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        for now in range(100, 130):
            tunnel.receive(side, b"x")
            tunnel.clock(now)
        assert tunnel.log == []
        tunnel.receive(side, b"x")
        tunnel.clock(131)
        assert tunnel.log == [("abort", DOWN), ("abort", UP)]

    @both_ways
    def test_a_large_frame_that_moves_has_its_time(self, side: Side) -> None:
        tunnel = opened(close=30)
        sent = by(side, BINARY, bytes(1_000_000))
        tunnel.receive(side, sent[:20])
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        for now, at in enumerate(range(20, len(sent), 5000), start=100):
            tunnel.receive(side, sent[at : at + 5000])
            tunnel.clock(now)
        frame, close = got(tunnel, other(side))
        assert (len(frame.payload), close.close) == (1_000_000, (1001, ""))

    def test_a_side_that_never_ends_its_connection(self) -> None:
        tunnel = opened(close=30, linger=5)
        for side in SIDES:
            tunnel.receive(side, closing(side, 1000))
        for now in (100, 104.9):
            tunnel.clock(now)
        assert tunnel.log == [("eof", DOWN), ("release", DOWN)]
        tunnel.clock(105)
        assert tunnel.log[2:] == [("abort", DOWN), ("abort", UP)]

    @both_ways
    def test_a_half_open_connection(self, side: Side) -> None:
        tunnel = opened(idle=1000, linger=5)
        tunnel.receive_eof(side)
        for now in (0, 5):
            tunnel.clock(now)
        assert tunnel.log[1:] == [("abort", DOWN), ("abort", UP)]

    @both_ways
    def test_no_time_for_a_half_open_connection(self, side: Side) -> None:
        tunnel = opened(linger=0)
        tunnel.receive_eof(side)
        tunnel.clock(0)
        assert tunnel.log[1:] == [("abort", DOWN), ("abort", UP)]

    @both_ways
    def test_a_half_open_connection_that_is_used(self, side: Side) -> None:
        tunnel = opened(linger=5)
        tunnel.receive_eof(side)
        sent = by(other(side), TEXT, b"still here")
        for now in range(0, 20, 4):
            tunnel.receive(other(side), sent)
            tunnel.clock(now)
        assert ("abort", side) not in tunnel.log

    @both_ways
    def test_what_comes_for_a_lost_side_is_no_progress(self, side: Side) -> None:
        tunnel = opened(linger=5)
        tunnel.receive(other(side), by(other(side), TEXT, b"before"))
        tunnel.lose(side)
        pipe = tunnel.upward if side == UP else tunnel.downward
        forwarded = pipe.forwarded
        for now in (0, 4, 5):
            tunnel.receive(other(side), by(other(side), TEXT, b"nobody listens"))
            tunnel.clock(now)
        assert (pipe.forwarded, pipe.messages) == (forwarded, 1)
        assert tunnel.log[-1] == ("abort", other(side))

    @both_ways
    def test_stall(self, side: Side) -> None:
        tunnel = opened(stall=60, idle=1, linger=5)
        tunnel.blocked.add(other(side))
        tunnel.receive(side, by(side, TEXT, b"a"))
        for now in (0, 59):
            tunnel.clock(now)
        assert tunnel.ending == Ending.OPEN
        tunnel.clock(60)
        assert tunnel.log == [("abort", other(side))]
        assert (tunnel.ending, tunnel.code) == (Ending.STALL, 1006)
        tunnel.lose(other(side))
        assert tunnel.log[1:] == [("eof", side)]
        for now in (61, 66):
            tunnel.clock(now)
        assert tunnel.log[2:] == [("abort", side)]

    @both_ways
    def test_a_slow_reader_is_no_stall(self, side: Side) -> None:
        tunnel = opened(stall=60)
        for now in range(0, 500, 50):
            tunnel.blocked.add(other(side))
            tunnel.receive(side, by(side, TEXT, b"a"))
            tunnel.clock(now)
            tunnel.unblock(other(side))
        assert (tunnel.ending, tunnel.log) == (Ending.OPEN, [])

    def test_the_clock_of_a_tunnel_that_is_over(self) -> None:
        tunnel = opened(close=5)
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        for now in (0, 5):
            tunnel.clock(now)
        for side in SIDES:
            tunnel.lose(side)
        tunnel.clock(100)
        assert tunnel.over
        assert tunnel.log == [("abort", DOWN), ("abort", UP)]

    def test_the_clock_starts_anew_whatever_is_queued(self) -> None:
        tunnel = opened(stall=60)
        tunnel.clock(1000)
        tunnel.receive(DOWN, by(DOWN, TEXT))  # six bytes forwarded
        tunnel.blocked.add(DOWN)
        tunnel.shut_down(1001, b"abc", Ending.SHUTDOWN)  # seven bytes queued
        tunnel.clock(1100)
        assert tunnel.log == []

    @both_ways
    def test_what_was_queued_for_a_lost_side_is_no_stall(self, side: Side) -> None:
        tunnel = opened(stall=60, linger=5)
        tunnel.blocked.add(side)
        tunnel.receive(other(side), by(other(side), TEXT, b"never taken"))
        tunnel.lose(side)
        for now in (0, 5):
            tunnel.clock(now)
        assert ("abort", other(side)) in tunnel.log


class TestPings:
    """Silence is no fault, and not answering is one only of those who can."""

    @both_ways
    def test_a_silent_side_is_asked_and_its_answer_goes_no_further(self, side: Side) -> None:
        tunnel = opened(ping=25)
        tunnel.clock(100)
        for now in (125, 150, 175, 200):
            tunnel.receive(other(side), by(other(side), TEXT, b"a"))
            tunnel.clock(now - 0.1)
            assert [frame.opcode for frame in got(tunnel, side)] == [TEXT]
            tunnel.receive(other(side), by(other(side), TEXT, b"a"))
            tunnel.clock(now)
            _, ping = got(tunnel, side)
            assert (ping.opcode, ping.payload) == (PING, b"fastws")
            tunnel.receive(side, by(side, PONG, ping.payload))
            tunnel.clock(now)
            assert tunnel.take(other(side)) == b""
        assert tunnel.ending == Ending.OPEN

    @both_ways
    @pytest.mark.parametrize("cut", range(9))
    def test_the_answer_is_taken_out_of_the_midst_of_others(self, side: Side, cut: int) -> None:
        tunnel = opened(ping=25)
        for now in (0, 25):
            tunnel.clock(now)
        tunnel.take(other(side))
        before = by(side, TEXT, b"before", fin=False) + by(side, PONG, b"not ours")
        behind = by(side, PING, b"fastws") + by(side, CONTINUATION, b"behind")
        sent = before + by(side, PONG, b"fastws") + behind
        cut += len(before)
        tunnel.receive(side, sent[:cut])
        tunnel.receive(side, sent[cut:])
        assert tunnel.take(other(side)) == before + behind
        assert tunnel.ending == Ending.OPEN

    @both_ways
    def test_a_pong_goes_on_if_nobody_was_asked(self, side: Side) -> None:
        tunnel, sent = opened(ping=25), by(side, PONG, b"fastws")
        tunnel.receive(side, sent)
        assert tunnel.take(other(side)) == sent

    @both_ways
    def test_who_answered_once_and_then_no_more_is_dead(self, side: Side) -> None:
        tunnel = opened(ping=25, linger=5)
        for now in (0, 25):
            tunnel.clock(now)
        tunnel.receive(side, by(side, PONG, b"fastws"))
        for now in (30, 55, 80):
            tunnel.receive(other(side), by(other(side), TEXT))
            tunnel.clock(now)
        assert tunnel.ending == Ending.OPEN
        tunnel.take(other(side))
        tunnel.receive(other(side), by(other(side), TEXT))
        tunnel.clock(105)
        code = 1001 if side == DOWN else 1014
        reason = f"{NAMES[side]} left pings unanswered"
        assert got_close(tunnel, other(side)) == (code, reason)
        assert (tunnel.ending, tunnel.code, tunnel.reason) == (
            Ending.UNANSWERED,
            code,
            reason.encode(),
        )
        for now in (106, 111):
            tunnel.clock(now)
        assert ("abort", side) in tunnel.log

    @both_ways
    def test_who_never_answers_is_asked_for_ever(self, side: Side) -> None:
        tunnel = opened(ping=25)
        for now in range(0, 1001, 25):
            tunnel.receive(other(side), by(other(side), TEXT))
            tunnel.clock(now)
        frames = got(tunnel, side)
        assert sum(frame.opcode == PING for frame in frames) == 40
        assert tunnel.ending == Ending.OPEN

    @both_ways
    def test_no_ping_stands_inside_a_frame(self, side: Side) -> None:
        tunnel, sent = opened(ping=25), by(other(side), BINARY, LONG)
        tunnel.clock(0)
        tunnel.receive(other(side), sent[:-4])
        tunnel.clock(25)
        assert tunnel.take(side) == sent[:-4]
        tunnel.receive(other(side), sent[-4:])
        tunnel.clock(26)
        parsed = parse(tunnel.take(side)[4:])
        assert parsed
        assert (parsed[0].opcode, parsed[0].payload) == (PING, b"fastws")

    @both_ways
    def test_who_is_not_read_from_cannot_answer(self, side: Side) -> None:
        tunnel = opened(ping=25, stall=0, queued_bytes=10)
        tunnel.blocked.add(other(side))
        tunnel.receive(side, by(side, BINARY, bytes(100)))
        assert tunnel.log == [("pause", side)]
        for now in (0, 25, 50):
            tunnel.clock(now)
        assert tunnel.take(side) == b""

    def test_a_tunnel_that_ends_asks_nobody(self) -> None:
        tunnel = opened(ping=25)
        tunnel.clock(0)
        tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        for side in SIDES:
            tunnel.take(side)
        tunnel.clock(25)
        assert tunnel.take(DOWN) == tunnel.take(UP) == b""


class TestText:
    """A route that asks for it has its texts validated."""

    @both_ways
    @pytest.mark.parametrize("end", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80"])
    def test_a_wrong_text_in_an_earlier_fragments_message(self, side: Side, end: bytes) -> None:
        tunnel = opened(validate_utf8=True)
        tunnel.receive(side, by(side, TEXT, b"good", fin=False))
        tunnel.receive(side, by(side, CONTINUATION, b"bad" + end))
        assert got(tunnel, other(side))[0].payload == b"good"
        let_answers_pass(tunnel, side)
        assert got_close(tunnel, side) == (1007, f"{NAMES[side]}: text that is not UTF-8")
        assert (tunnel.ending, tunnel.code) == (Ending.RULE, 1007)

    @both_ways
    def test_a_text_that_lacks_its_end(self, side: Side) -> None:
        tunnel = opened(validate_utf8=True)
        tunnel.receive(side, by(side, TEXT, b"\xe2\x82", fin=False) + by(side, CONTINUATION))
        let_upstream_answer(tunnel)
        text, close = got(tunnel, other(side))
        assert (text.payload, text.fin) == (b"\xe2\x82", False)
        assert close.close[0] == 1007

    @both_ways
    def test_binary_and_compressed_messages_are_no_text(self, side: Side) -> None:
        tunnel = opened(validate_utf8=True, rsv_first=0x40)
        sent = by(side, BINARY, b"\xff") + by(side, TEXT, b"\xff", rsv=4)
        tunnel.receive(side, sent)
        assert tunnel.take(other(side)) == sent

    @both_ways
    def test_without_the_rule_nothing_is_validated(self, side: Side) -> None:
        tunnel = opened()
        sent = by(side, TEXT, b"\xff")
        tunnel.receive(side, sent)
        assert tunnel.take(other(side)) == sent

    @both_ways
    def test_a_wrong_text_in_one_segment_closes_the_other_side(self, side: Side) -> None:
        tunnel = opened(validate_utf8=True)
        tunnel.receive(side, by(side, TEXT, b"good") + by(side, TEXT, b"bad\xff"))
        let_upstream_answer(tunnel)
        text, close = got(tunnel, other(side))
        assert (text.payload, close.close[0]) == (b"good", 1007)

    @both_ways
    def test_a_wrong_byte_inside_a_frame_under_way(self, side: Side) -> None:
        tunnel, sent = opened(validate_utf8=True), by(side, TEXT, b"begun \xff then more")
        start = len(sent) - len(" \xff then more") - 1
        tunnel.receive(side, sent[:start])
        tunnel.receive(side, sent[start:])
        assert tunnel.take(other(side)) == sent[:start]
        let_upstream_answer(tunnel)
        assert ("eof", other(side)) in tunnel.log
        tunnel.wake()
        assert ("eof", side) in tunnel.log
        assert got_close(tunnel, side)[0] == 1007

    @both_ways
    def test_a_missing_byte_at_the_end_of_a_frame_under_way(self, side: Side) -> None:
        tunnel, sent = opened(validate_utf8=True), by(side, TEXT, b"begun \xe2\x82")
        tunnel.receive(side, sent[:-1])
        tunnel.receive(side, sent[-1:])
        assert tunnel.take(other(side)) == sent[:-1]
        let_upstream_answer(tunnel)
        assert ("eof", other(side)) in tunnel.log


class TestMoving:
    """What is written of a tunnel, and read back in another process."""

    def test_one_that_is_let_go_of_cannot_move(self) -> None:
        tunnel = opened()
        tunnel.abort()
        with pytest.raises(ValueError, match="that ends"):
            tunnel.moved(0)

    @both_ways
    @pytest.mark.parametrize("cut", [1, 5, 100, 200, 207])
    def test_it_goes_on_in_the_middle_of_a_message(self, side: Side, cut: int) -> None:
        tunnel = opened(validate_utf8=True, max_message=300)
        sent = by(side, TEXT, "grün ".encode() * 15, fin=False)
        sent += by(side, PING, b"between") + by(side, CONTINUATION, "🦉".encode() * 20)
        tunnel.receive(side, sent[:cut])
        tunnel = tunnel.moved(0)
        tunnel.receive(side, sent[cut:])
        assert tunnel.take(other(side)) == sent
        pipe = tunnel.upward if side == DOWN else tunnel.downward
        assert (pipe.forwarded, pipe.messages) == (len(sent), 1)
        tunnel.receive(side, by(side, BINARY, bytes(301)))
        assert tunnel.code == 1009

    @both_ways
    def test_the_rules_go_with_it(self, side: Side) -> None:
        given = {"max_message": 7, "validate_utf8": True, "queued_bytes": 6}
        limits = {"idle": 5.5, "stall": 4.0, "close": 3.0, "linger": 2.0, "ping": 1.0}
        tunnel = opened(rsv_first=0x40, rsv_rest=0x20, **given, **limits).moved(0)
        assert {name: getattr(tunnel.rules, name) for name in {**given, **limits}} == {
            **given,
            **limits,
        }
        assert opened(**given, **limits).moved(0).rules is tunnel.rules
        sent = by(side, TEXT, b"\xff", rsv=4, fin=False) + by(side, CONTINUATION, b"", rsv=2)
        tunnel.receive(side, sent)
        assert tunnel.take(other(side)) == sent
        tunnel.receive(side, by(side, TEXT, b"", rsv=2))
        assert tunnel.code == 1002

    def test_the_clock_goes_on(self) -> None:
        tunnel = opened(idle=10)
        tunnel.clock(100)
        tunnel = tunnel.moved(106)
        tunnel.clock(109)
        assert tunnel.ending == Ending.OPEN
        tunnel.clock(110)
        assert tunnel.ending == Ending.IDLE

    @both_ways
    def test_an_answer_to_a_ping_of_ours_is_known(self, side: Side) -> None:
        tunnel = opened(ping=10)
        tunnel.clock(0)
        tunnel.clock(10)
        assert [frame.payload for frame in got(tunnel, side)] == [b"fastws"]
        tunnel.take(other(side))
        tunnel = tunnel.moved(15)
        answer = by(side, PONG, b"fastws")
        tunnel.receive(side, answer[:3])
        tunnel = tunnel.moved(15)
        tunnel.receive(side, answer[3:])
        assert tunnel.take(other(side)) == b""
        for now in (16, 26, 36):
            tunnel.clock(now)
            tunnel = tunnel.moved(now)
        assert tunnel.ending == Ending.OPEN
        tunnel.clock(46)
        assert tunnel.ending == Ending.UNANSWERED

    def test_the_time_until_the_next_ping_goes_on(self) -> None:
        tunnel = opened(ping=10)
        tunnel.clock(0)
        tunnel = tunnel.moved(9)
        tunnel.clock(9.9)
        assert got(tunnel, DOWN) == []
        tunnel.clock(10)
        assert len(got(tunnel, DOWN)) == 1

    def test_a_clock_that_was_not_wound_up_is_not(self) -> None:
        tunnel = opened(idle=10).moved(0)
        tunnel.clock(1000)
        assert tunnel.ending == Ending.OPEN

    @both_ways
    def test_who_is_paused_stays_so(self, side: Side) -> None:
        tunnel = opened(queued_bytes=10)
        tunnel.blocked.add(other(side))
        tunnel.receive(side, by(side, TEXT, LONG * 2))
        tunnel = tunnel.moved(0)
        tunnel.unblock(other(side))
        assert tunnel.log == [("pause", side), ("resume", side)]

    @pytest.mark.parametrize("end", ["eof", "close", "rule", "shut_down"])
    def test_one_that_ends_does_not_move(self, end: str) -> None:
        tunnel = opened()
        if end == "eof":
            tunnel.receive_eof(UP)
        elif end == "shut_down":
            tunnel.shut_down(1001, b"", Ending.SHUTDOWN)
        else:
            tunnel.receive(DOWN, closing(DOWN) if end == "close" else by(DOWN, 3))
        with pytest.raises(ValueError, match="that ends cannot move"):
            tunnel.state(0)

    def test_another_version_is_refused(self) -> None:
        tunnel = opened()
        state = tunnel.state(0)
        with pytest.raises(ValueError, match=r"version 258, not 2$"):
            opened().restore(b"\2\1" + state[2:], 0)

    def test_a_broken_state_is_refused(self) -> None:
        state = opened().state(0)
        for size in range(len(state)):
            with pytest.raises(ValueError, match="broken"):
                opened().restore(state[:size], 0)
        for place in range(2, len(state)):
            broken = bytearray(state)
            broken[place] ^= 0x10
            with pytest.raises(ValueError, match="broken"):
                opened().restore(bytes(broken), 0)
