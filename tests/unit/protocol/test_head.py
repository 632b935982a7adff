from __future__ import annotations

from collections import deque
from contextlib import suppress
from pathlib import Path

import pytest
from support import reference_head
from support.heads import Limits, drip, head, request, response, switching, upgrade

from fastws.errors import Reject, UpstreamReject
from fastws.protocol.head import RequestHead, ResponseHead

GET = b"GET / HTTP/1.1"
HOST = b"Host: example.com"


def refused(data: bytes, limits: Limits | None = None) -> Reject:
    """The refusal of a request, the same whole and dripped."""
    with pytest.raises(Reject) as whole:
        RequestHead(limits or Limits()).feed(data)
    parser = RequestHead(limits or Limits())
    with pytest.raises(Reject) as dripped:
        deque(map(parser.feed, drip(data)), 0)
    assert str(whole.value) == str(dripped.value)
    assert whole.value.reason.isascii()
    return whole.value


def refused_answer(data: bytes, limits: Limits | None = None) -> UpstreamReject:
    with pytest.raises(UpstreamReject) as whole:
        ResponseHead(limits or Limits()).feed(data)
    parser = ResponseHead(limits or Limits())
    with pytest.raises(UpstreamReject) as dripped:
        deque(map(parser.feed, drip(data)), 0)
    assert str(whole.value) == str(dripped.value)
    assert whole.value.status == 502
    return whole.value


class TestRequest:
    def test_everything_is_kept_exact_and_in_order(self) -> None:
        parsed = request(
            head(
                b"GET /a/%7e?x=1&y=[] HTTP/1.1",
                [b"host: example.com:8080", b"X-a:1", b"x-A: \t2 \t", b"Empty:", b"X-B: a\tb  c"],
            )
        )
        assert (parsed.method, parsed.target, parsed.version) == (
            b"GET",
            b"/a/%7e?x=1&y=[]",
            (1, 1),
        )
        assert parsed.headers == [
            (b"host", b"example.com:8080"),
            (b"X-a", b"1"),
            (b"x-A", b"2"),
            (b"Empty", b""),
            (b"X-B", b"a\tb  c"),
        ]
        assert parsed.names == [b"host", b"x-a", b"x-a", b"empty", b"x-b"]

    def test_bytes_behind_the_head_are_returned(self) -> None:
        parser = RequestHead(Limits())
        assert parser.feed(upgrade() + b"\x81\x80abcd\r\n\r\n") == b"\x81\x80abcd\r\n\r\n"

    def test_more_bytes_than_a_head_may_have_can_follow_it(self) -> None:
        parser = RequestHead(Limits(head_bytes=200))
        assert parser.feed(upgrade() + b"x" * 300) == b"x" * 300

    def test_a_dripped_head_ends_with_its_last_byte(self) -> None:
        parser = RequestHead(Limits())
        answers = [parser.feed(byte) for byte in drip(upgrade())]
        assert answers[-1] == b""
        assert set(answers[:-1]) == {None}
        assert parser.is_upgrade

    def test_an_empty_read_changes_nothing(self) -> None:
        parser = RequestHead(Limits())
        assert parser.feed(b"") is None
        assert parser.feed(upgrade()) == b""

    def test_values_that_are_not_ascii_stay_bytes(self) -> None:
        parsed = request(upgrade(b"X-Name: caf\xc3\xa9 \xff\x80"))
        assert parsed.headers[-1] == (b"X-Name", b"caf\xc3\xa9 \xff\x80")

    def test_a_body_of_a_plain_request_is_left_alone(self) -> None:
        parser = RequestHead(Limits())
        assert parser.feed(head(b"POST / HTTP/1.1", [HOST, b"Content-Length: 5"]) + b"he") == b"he"
        assert not parser.is_upgrade

    def test_http_1_0_may_do_without_a_host(self) -> None:
        parsed = request(head(b"GET / HTTP/1.0", []))
        assert parsed.version == (1, 0)

    def test_names_with_an_underscore_are_dropped_and_counted(self) -> None:
        parsed = request(upgrade(b"X_Forwarded_For: 1", b"A: b", b"Content_Length: 3"))
        assert parsed.dropped == 2
        assert parsed.names[-2:] == [b"sec-websocket-version", b"a"]
        assert len(parsed.names) == len(parsed.headers)

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ([b"Upgrade: websocket", b"Connection: Upgrade"], True),
            (
                [b"Upgrade: h2c", b"Connection: keep-alive", b"Connection: HTTP2-Settings,uPgrade"],
                True,
            ),
            ([b"Upgrade: websocket"], False),
            ([b"Upgrade: websocket", b"Connection: upgraded"], False),
            ([b"Connection: Upgrade"], False),
        ],
    )
    def test_what_is_an_upgrade(self, lines: list[bytes], expected: bool) -> None:  # noqa: FBT001
        assert request(head(GET, [HOST, *lines])).is_upgrade is expected

    @pytest.mark.parametrize(
        "line",
        [
            b"GET  / HTTP/1.1",
            b"GET /  HTTP/1.1",
            b"GET / HTTP/1.1 ",
            b" GET / HTTP/1.1",
            b"GET\t/ HTTP/1.1",
            b"GET / a HTTP/1.1",
            b"GET /",
            b"GET",
            b"GET / HTTP/0.9",
            b"GET / HTTP/1.2",
            b"GET / HTTP/2.0",
            b"GET / HTTP/1.10",
            b"GET / http/1.1",
            b"GET / HTTP/1.1\r",
            b"get / HTTP/1.1",
            b"FROB / HTTP/1.1",
            b"G\x00T / HTTP/1.1",
            b"GET http://example.com/ HTTP/1.1",
            b"GET http://user:password@example.com/ HTTP/1.1",
            b"GET user@example.com HTTP/1.1",
            b"GET * HTTP/1.1",
            b"OPTIONS * HTTP/1.1",
            b"GET a/b HTTP/1.1",
            b"GET /a#b HTTP/1.1",
            b"GET /a\x7f HTTP/1.1",
            b"GET /a\x00 HTTP/1.1",
            b"GET /caf\xc3\xa9 HTTP/1.1",
            b"PRI / HTTP/1.1",
        ],
    )
    def test_only_the_exact_request_line_passes(self, line: bytes) -> None:
        assert refused(head(line, [HOST])).status == 400

    @pytest.mark.parametrize(
        "line",
        [
            b"CONNECT example.com:443 HTTP/1.1",
            b"CONNECT / HTTP/1.1",
            b"CONNECT a:1 HTTP/1.0",
            b"TRACE / HTTP/1.1",
            b"TRACE /a HTTP/1.0",
        ],
    )
    def test_methods_that_are_not_served_are_405(self, line: bytes) -> None:
        reject = refused(head(line, [HOST]))
        assert reject.status == 405
        ((name, methods),) = reject.headers
        assert (name, methods.split(b", ")[0]) == (b"Allow", b"GET")

    @pytest.mark.parametrize(
        ("data", "word"),
        [
            (b"\x16\x03\x01\x02\x00\x01\x00\x01", "TLS"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
            (b"\x00", "method"),
            (b"\x05\x01\x00", "method"),
            (b"GET http://a/ HTTP/1.1\r\n", "slash"),
            (b"GET /#a HTTP/1.1\r\n", "fragment"),
            (b"GET /x\n", "bare LF"),
        ],
    )
    def test_a_wrong_start_is_refused_at_once_and_explained(self, data: bytes, word: str) -> None:
        reject = refused(data)
        assert reject.status == 400
        assert word in reject.reason

    @pytest.mark.parametrize(
        "line",
        [
            b"X: a\nY: b",
            b"X: a\rb",
            b"X: a\r",
            b"X: a\r\n folded",
            b" X: a",
            b"\tX: a",
            b"X: a\x00b",
            *(b"X: a%cb" % control for control in (*range(1, 9), *range(0x0B, 0x20), 0x7F)),
            b"X : a",
            b"X\t: a",
            b": a",
            b":",
            b"X",
            *(b"X%cY: a" % sign for sign in b'"(),/;<=>?@[\\]{} \x01\x7f\x80\xff'),
        ],
    )
    def test_malformed_header_lines(self, line: bytes) -> None:
        assert refused(head(GET, [HOST, line])).status == 400

    @pytest.mark.parametrize("sign", [b"%c" % sign for sign in b"!#$%&'*+-.^`|~09azAZ"])
    def test_every_token_is_a_name(self, sign: bytes) -> None:
        assert request(upgrade(sign + b": a")).headers[-1] == (sign, b"a")

    @pytest.mark.parametrize(
        "lines",
        [
            [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
            [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
            [b"Content-Length: 5", b"Content-Length: 5"],
            [b"Content-Length: 5", b"Content-Length: 6"],
            [b"Content-Length: 5, 5"],
            [b"Content-Length: +5"],
            [b"Content-Length: -5"],
            [b"Content-Length: 0x5"],
            [b"Content-Length: 5 5"],
            [b"Content-Length: 5a"],
            [b"Content-Length:"],
            [b"Content-Length: 99999999999999999999999"],
            [b"Transfer-Encoding: xchunked"],
            [b"Transfer-Encoding: chunked, gzip"],
            [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
            [b"Transfer-Encoding:"],
        ],
    )
    def test_ambiguous_framing(self, lines: list[bytes]) -> None:
        assert refused(head(b"POST / HTTP/1.1", [HOST, *lines])).status == 400
        assert refused(upgrade(*lines)).status == 400

    @pytest.mark.parametrize("line", [b"Transfer-Encoding: chunked", b"Content-Length: 1"])
    def test_an_upgrade_to_another_protocol_may_have_a_body(self, line: bytes) -> None:
        lines = [HOST, b"Upgrade: h2c", b"Connection: Upgrade", line]
        parsed = request(head(b"POST / HTTP/1.1", lines))
        assert parsed.has_body
        assert not parsed.is_handshake

    @pytest.mark.parametrize("count", [1, 2, 9])
    def test_empty_lines_before_a_request_mean_nothing(self, count: int) -> None:
        data = b"\r\n" * count + head(GET, [HOST]) + b"rest"
        assert request(data).headers == [(b"Host", b"example.com")]
        parser = RequestHead(Limits())
        assert [rest for rest in map(parser.feed, drip(data[:-4])) if rest is not None] == [b""]
        assert parser.target == b"/"

    @pytest.mark.parametrize("start", [b"\n", b"\r", b"\r\r\n", b" \r\n", b"\r\n\n"])
    def test_only_whole_empty_lines_may_stand_before_a_request(self, start: bytes) -> None:
        assert refused(start + head(GET, [HOST])).status == 400

    def test_empty_lines_before_a_request_are_no_way_around_the_limit(self) -> None:
        assert refused(b"\r\n" * 60, Limits(head_bytes=100)).status == 431

    def test_transfer_encoding_in_http_1_0(self) -> None:
        data = head(b"POST / HTTP/1.0", [HOST, b"Transfer-Encoding: chunked"])
        assert refused(data).status == 400

    def test_an_upgrade_in_http_1_0(self) -> None:
        assert refused(upgrade(line=b"GET / HTTP/1.0")).status == 400

    @pytest.mark.parametrize(
        "hosts",
        [
            [],
            [HOST, HOST],
            [HOST, b"Host: other"],
            [b"Host:"],
            [b"Host: a b"],
            [b"Host: user@example.com"],
            [b"Host: example.com/"],
            [b"Host: http://example.com"],
            [b"Host: example.com:80:80"],
            [b"Host: example.com:a"],
            [b"Host: example.com:123456"],
            [b"Host: :80"],
            [b"Host: a%2"],
            [b"Host: caf\xc3\xa9"],
            [b"Host: [::1"],
            [b"Host: ::1"],
            [b"Host: [1.2.3.4]"],
            [b"Host: [:::]"],
            [b"Host: [::1]x"],
        ],
    )
    def test_a_host_that_is_missing_doubled_or_malformed(self, hosts: list[bytes]) -> None:
        assert refused(upgrade(*hosts, without=b"Host")).status == 400

    @pytest.mark.parametrize(
        "host",
        [
            b"a",
            b"a_b-c.example.:80",
            b"127.0.0.1:8080",
            b"[::1]:80",
            b"[::ffff:1.2.3.4]",
            b"a:",
            b"a%20",
        ],
    )
    def test_hosts_that_are_valid(self, host: bytes) -> None:
        assert request(upgrade(b"Host: " + host, without=b"Host")).values(b"host") == [host]


class TestRequestLimits:
    def test_a_target_of_exactly_the_limit(self) -> None:
        target = b"/" + b"a" * 99
        parsed = request(head(b"GET %b HTTP/1.1" % target, [HOST]), Limits(target_bytes=100))
        assert parsed.target == target

    def test_a_longer_target_is_refused_before_it_ends(self) -> None:
        assert refused(b"GET /" + b"a" * 100, Limits(target_bytes=100)).status == 414

    def test_a_head_of_exactly_the_limit(self) -> None:
        data = upgrade()
        assert request(data, Limits(head_bytes=len(data))).is_upgrade

    @pytest.mark.parametrize("rest", [b"", b"X: y\r\n\r\n", b"\n", b"\r\n"])
    def test_a_larger_head(self, rest: bytes) -> None:
        data = head(GET, [HOST, b"A: " + b"a" * 200])[:-4] + b"aaaa" + rest
        limit = len(data) - len(rest) - 1
        assert refused(data, Limits(head_bytes=limit)).status == 431

    def test_as_many_headers_as_the_limit(self) -> None:
        lines = [HOST, *(b"X-%d: %d" % (n, n) for n in range(199))]
        assert len(request(head(GET, lines)).headers) == 200

    def test_one_header_more_is_refused_before_the_head_ends(self) -> None:
        lines = [HOST, *(b"X-%d: %d" % (n, n) for n in range(200))]
        reject = refused(head(GET, lines)[:-2])
        assert reject.status == 431
        assert "200 headers" in reject.reason

    def test_underscores_do_not_hide_headers_from_the_limit(self) -> None:
        lines = [HOST, *(b"X_%d: %d" % (n, n) for n in range(200))]
        assert refused(head(GET, lines)).status == 431

    def test_more_headers_where_the_limit_allows_them(self) -> None:
        lines = [HOST, *(b"X-%d: %d" % (n, n) for n in range(1000))]
        assert len(request(head(GET, lines), Limits(headers=1001)).headers) == 1001


class TestResponse:
    def test_the_first_frames_behind_a_101_are_returned(self) -> None:
        parser = ResponseHead(Limits())
        assert parser.feed(switching() + b"\x81\x02hi") == b"\x81\x02hi"
        assert (parser.status, parser.reason, parser.version) == (101, b"OK", (1, 1))

    @pytest.mark.parametrize(
        ("line", "status", "reason"),
        [
            (b"HTTP/1.1 200 OK", 200, b"OK"),
            (b"HTTP/1.1 404 ", 404, b""),
            (b"HTTP/1.1 503", 503, b""),
            (b"HTTP/1.0 302 Moved  on", 302, b"Moved  on"),
            (b"HTTP/1.1 200 caf\xc3\xa9", 200, b"caf\xc3\xa9"),
        ],
    )
    def test_status_lines(self, line: bytes, status: int, reason: bytes) -> None:
        parsed = response(head(line, [b"A: b"]))
        assert (parsed.status, parsed.reason) == (status, reason)
        assert parsed.headers == [(b"A", b"b")]

    @pytest.mark.parametrize(
        "line",
        [
            b"HTTP/1.1  200 OK",
            b"HTTP/1.1 20 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 000 OK",
            b"HTTP/1.1 2x0 OK",
            b"HTTP/1.1 200 O\x01K",
            b"HTTP/1.1 200 O\x7fK",
            b"HTTP/1.1",
            b"HTTP/1.2 200 OK",
            b"HTTP/2.0 200 OK",
            b"HTTP/0.9 200 OK",
            b"http/1.1 200 OK",
            b"ICY 200 OK",
        ],
    )
    def test_malformed_status_lines(self, line: bytes) -> None:
        refused_answer(head(line, [b"A: b"]))

    @pytest.mark.parametrize(
        "line",
        [
            b"X: a\nY: b",
            b"X: a\rb",
            b"X: a\r\n folded",
            b"X: a\x00b",
            b"X: a\x1fb",
            b"X : a",
            b": a",
            b"X",
            b"X y: a",
            b"Content-Length: 5\r\nContent-Length: 5",
            b"Content-Length: 5, 5",
            b"Content-Length: +5",
            b"Content-Length: 5\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5",
            b"Transfer-Encoding: chunked, gzip",
            b"Transfer-Encoding: gzip",
            b"Transfer-Encoding: gzip, chunked",
            b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked, chunked",
            b"Transfer-Encoding:",
        ],
    )
    def test_malformed_heads(self, line: bytes) -> None:
        refused_answer(head(b"HTTP/1.1 200 OK", [line]))

    def test_transfer_encoding_in_http_1_0(self) -> None:
        refused_answer(head(b"HTTP/1.0 200 OK", [b"Transfer-Encoding: chunked"]))

    @pytest.mark.parametrize(
        ("data", "word"),
        [
            (b"\x15\x03\x01\x00\x02\x02\x16", "wss://"),
            (b"SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1"),
            (b"\x81\x02hi", "HTTP/1"),
            (b"\r\n", "HTTP/1"),
            (b"-ERR unknown command\r\n", "HTTP/1"),
        ],
    )
    def test_an_upstream_that_does_not_speak_http(self, data: bytes, word: str) -> None:
        assert word in refused_answer(data).reason

    @pytest.mark.parametrize("name", [b"Upgrade", b"Connection"])
    def test_a_101_that_lacks_a_header_is_left_to_the_handshake(self, name: bytes) -> None:
        assert response(switching(without=name)).status == 101

    def test_underscores_are_kept(self) -> None:
        assert response(switching(b"X_A: b")).headers[-1] == (b"X_A", b"b")


class TestInterimResponses:
    EARLY = head(b"HTTP/1.1 103 Early Hints", [b"Link: </a>", b"Upgrade: websocket"])
    CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

    @pytest.mark.parametrize("split", [True, False])
    def test_they_are_swallowed(self, split: bool) -> None:  # noqa: FBT001
        data = self.CONTINUE + self.EARLY + self.CONTINUE + head(b"HTTP/1.1 200 OK", [b"A: b"])
        parser = ResponseHead(Limits())
        answers = [parser.feed(part) for part in (drip(data) if split else [data])]
        assert answers[-1] == b""
        assert set(answers[:-1]) <= {None}
        assert (parser.status, parser.headers) == (200, [(b"A", b"b")])
        assert parser.values(b"upgrade") == []

    def test_a_101_may_follow_them(self) -> None:
        parser = ResponseHead(Limits())
        assert parser.feed(self.CONTINUE + switching() + b"\x89\x00") == b"\x89\x00"

    def test_a_flood_ends_at_the_limit_of_bytes(self) -> None:
        assert "too large" in refused_answer(self.EARLY * 2000).reason

    def test_the_limit_covers_all_of_them(self) -> None:
        final = switching()
        exact = len(self.CONTINUE * 3 + final)
        assert response(self.CONTINUE * 3 + final, Limits(head_bytes=exact)).status == 101
        refused_answer(self.CONTINUE * 3 + final, Limits(head_bytes=exact - 1))

    def test_headers_are_counted_for_each_head(self) -> None:
        assert response(self.EARLY * 3 + switching(), Limits(headers=3)).status == 101
        refused_answer(switching(b"A: b"), Limits(headers=3))


class TestOneAfterTheOther:
    """One parser of httptools judges all heads: nothing of one may show in the next."""

    REQUESTS = (
        upgrade(),
        upgrade(b"Connection: close"),
        upgrade(b"Content-Length: 0"),
        upgrade(b"Transfer-Encoding: chunked"),
        head(b"POST / HTTP/1.1", [HOST, b"Content-Length: 5"]),
        head(b"POST / HTTP/1.1", [HOST, b"Transfer-Encoding: chunked"]),
        head(b"POST / HTTP/1.1", [HOST, b"Transfer-Encoding: chunked, gzip"]),
        head(b"GET / HTTP/1.0", [HOST, b"Connection: keep-alive"]),
        head(GET, [HOST, b"Connection: close"]),
        head(GET, [HOST, b"Bad header"]),
        head(GET, [HOST, b"Content-Length: 5", b"Content-Length: 5"]),
        head(b"FROB / HTTP/1.1", [HOST]),
    )
    ANSWERS = (
        switching(),
        switching(b"Connection: close"),
        switching(b"Content-Length: 5"),
        switching(b"Transfer-Encoding: chunked"),
        switching(without=b"Upgrade"),
        *(
            head(b"HTTP/1.%d %d" % (minor, status), lines)
            for minor in (0, 1)
            for status in (200, 204, 304, 404, 426, 599)
            for lines in (
                [],
                [b"Content-Length: 5"],
                [b"Transfer-Encoding: chunked"],
                [b"Connection: close"],
                [b"Connection: Upgrade", b"Upgrade: h2c"],
                [b"Transfer-Encoding: gzip"],
                [b"Bad header: a", b"Content-Length: x"],
            )
        ),
        head(b"HTTP/1.1 103 Early", [b"Content-Length: 5"]) + switching(),
    )

    @staticmethod
    def outcome(parser: RequestHead | ResponseHead, data: bytes) -> object:
        try:
            return parser.feed(data), parser.version, parser.headers
        except Reject as reject:
            return str(reject)

    @pytest.mark.parametrize("first", REQUESTS)
    def test_requests(self, first: bytes) -> None:
        for second in self.REQUESTS:
            self.outcome(RequestHead(Limits()), first)
            assert self.outcome(RequestHead(Limits()), second) == self.outcome(
                reference_head.RequestHead(Limits()), second
            )

    @pytest.mark.parametrize("first", ANSWERS)
    def test_answers(self, first: bytes) -> None:
        for second in self.ANSWERS:
            self.outcome(ResponseHead(Limits()), first)
            assert self.outcome(ResponseHead(Limits()), second) == self.outcome(
                reference_head.ResponseHead(Limits()), second
            )


def test_limits_may_be_out_of_all_proportion() -> None:
    limits = Limits(head_bytes=2**63 - 1, headers=10**30, target_bytes=2**63 - 1)
    assert request(upgrade(), limits).is_upgrade
    assert response(switching(), limits).status == 101


@pytest.mark.parametrize("data", [upgrade(), b"GET / HTTP/1.1\n"])
def test_nothing_is_taken_after_the_end(data: bytes) -> None:
    parser = RequestHead(Limits())
    with suppress(Reject):
        parser.feed(data)
    with pytest.raises(ValueError, match="complete"):
        parser.feed(b"x")


def test_an_incomplete_head_has_no_parts() -> None:
    parser = RequestHead(Limits())
    assert parser.feed(upgrade(line=b"GET /a HTTP/1.1")[:-2]) is None
    assert (parser.target, parser.headers, parser.values(b"host")) == (b"/a", [], [])
    answer = ResponseHead(Limits())
    assert (answer.status, answer.reason, answer.names) == (0, b"", [])


def test_no_leniency_of_httptools_is_ever_asked_for() -> None:
    sources = [*(Path(__file__).parents[3] / "fastws" / "protocol").glob("*.p[xy]*")]
    assert "head.pyx" in {path.name for path in sources}
    assert not [path for path in sources if "lenien" in path.read_text()]
