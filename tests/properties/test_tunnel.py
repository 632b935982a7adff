"""A tunnel under whatever its two peers, its driver and the clock may do, in any order."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, close_payload, header, parse
from support.reference import Outcome, Source, judge
from support.tunnels import DOWN, SIDES, UP, Side, by, other

from fastws._memory import MemoryTunnel
from fastws._pipe import Rules
from fastws._relay import Ending

sides = st.sampled_from(SIDES)
# What a peer may be about to send, mostly in order.
kinds = st.sampled_from(
    [
        (TEXT, b"text", True),
        (TEXT, "🦉".encode(), True),
        (BINARY, bytes(300), True),
        (TEXT, b"first", False),
        (CONTINUATION, b"more", False),
        (CONTINUATION, b"last", True),
        (PING, b"ping", True),
        (PING, bytes(125), True),
        (TEXT, b"wrong \xff text", True),
        (TEXT, b"cut \xe2\x82", True),
    ]
)
closes = st.sampled_from(
    [b"", close_payload(1000, "bye"), close_payload(4999), close_payload(1006), b"\0"]
)
WRONG = (3, b"reserved", True)


class Peer:
    """A connection as the test plays it."""

    def __init__(self) -> None:
        self.unsent = b""  # of the frames it has begun
        self.sent = b""
        self.got = b""
        self.ended = False  # it sent its end of file, or is lost
        self.lost = False


class TunnelMachine(RuleBasedStateMachine):
    """Plays peers and driver; the driver carries out what the log asks for at leisure."""

    @initialize(
        max_message=st.sampled_from([0, 0, 300]),
        queued_bytes=st.sampled_from([0, 10, 65536]),
        validate=st.booleans(),
    )
    def open(self, max_message: int, queued_bytes: int, *, validate: bool) -> None:
        rules = Rules(
            max_message=max_message,
            queued_bytes=queued_bytes,
            validate_utf8=validate,
            idle=60,
            stall=20,
            close=10,
            linger=5,
        )
        self.source = {
            side: Source(side == DOWN, max_message=max_message, validate_utf8=validate)
            for side in SIDES
        }
        self.tunnel = MemoryTunnel(rules)
        self.peers = {DOWN: Peer(), UP: Peer()}
        self.now = 0.0
        self.woken = 0
        self.ends: dict[Side, int] = {}  # how much a side had got at its end of file

    def asked(self, what: str, side: Side) -> bool:
        return (what, side) in self.tunnel.log

    def paused(self, side: Side) -> bool:
        asked = [what for what, whom in self.tunnel.log if whom == side]
        return [what for what in asked if what in {"pause", "resume"}][-1:] == ["pause"]

    def sending(self, side: Side) -> bool:
        return not self.peers[side].ended and not self.paused(side)

    def in_a_frame(self, side: Side) -> bool:
        return bool(self.peers[side].unsent)

    # what the peers do

    def push(self, side: Side, data: bytes, size: int) -> None:
        peer = self.peers[side]
        now, peer.unsent = data[:size], data[size:]
        peer.sent += now
        self.tunnel.receive(side, now)

    @rule(side=sides, kind=kinds, size=st.integers(1, 400))
    def send(self, side: Side, kind: tuple[int, bytes, bool], size: int) -> None:
        """Begin a frame; the rest of it comes later."""
        if self.sending(side) and not self.in_a_frame(side):
            opcode, payload, fin = kind
            self.push(side, by(side, opcode, payload, fin=fin), size)

    @rule(side=sides, size=st.integers(1, 400))
    def send_on(self, side: Side, size: int) -> None:
        if self.sending(side) and self.in_a_frame(side):
            self.push(side, self.peers[side].unsent, size)

    @rule(side=sides, payload=closes)
    def send_close(self, side: Side, payload: bytes) -> None:
        if self.sending(side) and not self.in_a_frame(side):
            self.push(side, by(side, CLOSE, payload), 200)

    @rule(side=sides, data=st.binary(min_size=1, max_size=20) | st.just(by(UP, *WRONG[:2])))
    def send_anything(self, side: Side, data: bytes) -> None:
        if self.sending(side) and not self.in_a_frame(side):
            self.push(side, data, len(data))

    @rule(side=sides)
    def declare_much(self, side: Side) -> None:
        if self.sending(side) and not self.in_a_frame(side):
            data = header(BINARY, 1 << 40, key=b"key!" if side == DOWN else None)
            self.push(side, data + b"some", 100)

    @rule(side=sides)
    def end(self, side: Side) -> None:
        if not self.peers[side].ended:
            self.peers[side].ended = True
            self.tunnel.receive_eof(side)

    @rule(side=sides)
    def lose(self, side: Side) -> None:
        """Break the connection."""
        peer = self.peers[side]
        if not peer.lost:
            self.collect()
            peer.ended = peer.lost = True
            self.tunnel.lose(side)

    @rule(side=sides)
    def block(self, side: Side) -> None:
        if not self.peers[side].lost:
            self.tunnel.blocked.add(side)

    @rule(side=sides)
    def unblock(self, side: Side) -> None:
        if side in self.tunnel.blocked and not self.gone(side):
            self.tunnel.unblock(side)

    # what the driver and the operator do

    def gone(self, side: Side) -> bool:
        return self.peers[side].lost or self.asked("abort", side)

    @rule(seconds=st.sampled_from([0, 1, 4, 6, 15, 70]))
    def tick(self, seconds: float) -> None:
        """Time goes on; an abort is carried out before that."""
        for side in SIDES:
            if self.asked("abort", side):
                self.lose(side)
        self.now += seconds
        self.tunnel.clock(self.now)

    @rule()
    def wake(self) -> None:
        """The time is up for which the tunnel asked, whatever has happened since."""
        asked = [what for what, _ in self.tunnel.log].count("wake")
        assert asked <= 2
        if asked > self.woken:
            self.woken += 1
            self.tunnel.wake()

    @rule()
    def move(self) -> None:
        """Another process goes on with it: nobody can tell."""
        aborted = any(self.asked("abort", side) for side in SIDES)
        if self.tunnel.ending == Ending.OPEN and not aborted:
            self.tunnel = self.tunnel.moved(self.now)

    @rule(code=st.sampled_from([1001, 1012]), reason=st.sampled_from([b"", b"away"]))
    def shut_down(self, code: int, reason: bytes) -> None:
        self.tunnel.shut_down(code, reason, Ending.SHUTDOWN)

    @precondition(lambda self: not any(self.asked("abort", side) for side in SIDES))
    @rule(really=st.integers(0, 5))
    def abort(self, really: int) -> None:
        if not really:
            self.tunnel.abort()

    @rule()
    def answer(self) -> None:
        """Close what the tunnel let go of."""
        for side in SIDES:
            if self.asked("release", side) or self.asked("abort", side):
                self.lose(side)

    # what must hold

    def collect(self) -> None:
        for side in SIDES:
            data = self.tunnel.take(side)
            assert not (data and self.peers[side].lost)
            self.peers[side].got += data

    def received(self, side: Side) -> Outcome:
        """What a strict peer makes of everything it got."""
        return judge(self.peers[side].got, Source(masked=side == UP))

    @invariant()
    def each_side_gets_whole_frames_and_one_close(self) -> None:
        self.collect()
        for side in SIDES:
            seen = self.received(side)
            assert seen.verdict == 0
            if seen.close_code:
                assert seen.sure == len(self.peers[side].got)

    @invariant()
    def what_was_forwarded_is_what_was_sent(self) -> None:
        """A prefix of what may go on, and then perhaps a close frame of ours."""
        for side in SIDES:
            sent, got = self.peers[side].sent, self.peers[other(side)].got
            pipe = self.tunnel.upward if side == DOWN else self.tunnel.downward
            allowed = judge(sent, self.source[side])
            common = min(len(got), pipe.forwarded)
            assert pipe.forwarded <= allowed.most
            if not self.peers[other(side)].lost:
                assert got[:common] == sent[:common]
                self.check_own_close(other(side), got[common:])

    def check_own_close(self, side: Side, rest: bytes) -> None:
        """It is one whole close frame, and not inside another frame."""
        if rest:
            parsed = parse(rest)
            assert parsed
            assert (parsed[0].opcode, parsed[1]) == (CLOSE, len(rest))
            assert parsed[0].close[0] in {1001, 1002, 1007, 1009, 1012, 1014}
            assert self.received(side).close_code == parsed[0].close[0]

    @invariant()
    def nothing_is_sent_after_the_end_of_file(self) -> None:
        for side in SIDES:
            if self.asked("eof", side):
                size = len(self.peers[side].got)
                assert self.ends.setdefault(side, size) == size

    @invariant()
    def no_bytes_wait_for_an_end_of_file_that_does_not_come(self) -> None:
        assert self.tunnel.awaited == set()

    @invariant()
    def each_thing_is_asked_for_once(self) -> None:
        counts = Counter(self.tunnel.log)
        for side in SIDES:
            for what in ("eof", "release", "abort"):
                assert counts[what, side] <= 1
            assert counts["pause", side] - counts["resume", side] in {0, 1}

    @invariant()
    def who_is_paused_has_a_reader_that_is_behind(self) -> None:
        for side in SIDES:
            if self.paused(side) and not self.peers[side].ended:
                assert other(side) in self.tunnel.blocked
                assert not self.peers[other(side)].lost

    @invariant()
    def it_is_over_when_both_are_lost(self) -> None:
        assert self.tunnel.over == all(peer.lost for peer in self.peers.values())

    @invariant()
    def an_end_has_a_cause(self) -> None:
        if self.tunnel.ending == Ending.OPEN:
            assert (self.tunnel.code, self.tunnel.reason) == (0, b"")
            assert not any(what in {"eof", "release"} for what, _ in self.tunnel.log)
        else:
            assert self.tunnel.code

    def teardown(self) -> None:
        """Whatever happened, the clock ends it."""
        with suppress(AttributeError):  # nothing was opened
            for _ in range(40):
                self.tick(70)
                self.answer()
            assert self.tunnel.over


TestTunnel = TunnelMachine.TestCase
