from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from httptools import HttpParserUpgrade, HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st
from support.heads import KEY, SWITCHING, UPGRADE, Limits, head, request

from fastws.errors import Reject, UpstreamReject
from fastws.protocol.handshake import check_answer, judge, relayed_response, upgrade_request
from fastws.protocol.head import RequestHead, ResponseHead
from fastws.protocol.headers import Forwarded

if TYPE_CHECKING:
    from collections.abc import Iterable

SMALL = Limits(head_bytes=300, headers=8, target_bytes=60)
ROOMY = Limits(head_bytes=2000, headers=40)

# Mostly well-formed pieces, so that many heads are accepted and the others fail in one place.
odd = st.sampled_from([b"\n", b"\r", b"\r\n", b" ", b"\0", b":", b"\t", b"\xff", b"_", b"#", b""])
names = st.sampled_from(
    [
        b"Host",
        b"Connection",
        b"Upgrade",
        b"Content-Length",
        b"Transfer-Encoding",
        b"X-A",
        b"x_b",
        b"Sec-WebSocket-Key",
        b"Sec-WebSocket-Extensions",
        b"Sec-WebSocket-Protocol",
        b"Origin",
        b"X-Forwarded-For",
        b"Forwarded",
        b"X-Real-IP",
        b"X-Forwarded-Proto",
        b"Keep-Alive",
    ]
)
values = st.sampled_from(
    [
        b"a",
        b"",
        b"upgrade, X-A",
        b"host, forwarded",
        b"websocket",
        b"0",
        b"5",
        b"chunked",
        b"a b",
        b'x; y="a, b"',
        b";",
        b"\xe4",
        b"[::1]:80",
        KEY,
    ]
)
lines = st.builds(b"%b: %b".__mod__, st.tuples(names, values))
targets = st.sampled_from([b"/", b"/a?b=c", b"/%2e/../x", b"*", b"http://a/", b"/" + b"a" * 60])


def mangled(data: bytes, place: int, what: bytes) -> bytes:
    at = place % len(data)
    return data[:at] + what + data[at:]


def messages(first: st.SearchStrategy[bytes], base: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    whole = st.builds(
        head,
        first,
        st.lists(lines, max_size=5).flatmap(lambda more: st.permutations([*base, *more])),
    )
    some = st.builds(head, first, st.lists(lines, max_size=5))
    built = whole | some
    return built | st.builds(mangled, built, st.integers(0, 400), odd) | st.binary(max_size=400)


requests = messages(
    st.builds(
        b"%b %b HTTP/1.%b".__mod__,
        st.tuples(st.sampled_from([b"GET", b"POST"]), targets, st.sampled_from([b"1", b"1", b"0"])),
    ),
    UPGRADE,
)
# Nothing in these is refused: what they ask for is to be forwarded wrongly.
harmless = st.sampled_from(
    [b"Connection", b"x_b", b"X-A", b"Forwarded", b"x-forwarded-for", b"X-Real-IP", b"Keep-Alive"]
)
handshakes = st.builds(
    head,
    st.just(b"GET /%2e/../x?y HTTP/1.1"),
    st.lists(st.builds(b"%b: %b".__mod__, st.tuples(harmless, values)), max_size=9).flatmap(
        lambda more: st.permutations([*UPGRADE, *more])
    ),
)
answers = messages(
    st.sampled_from([b"HTTP/1.1 101 S", b"HTTP/1.1 200 OK", b"HTTP/1.1 103", b"HTTP/1.0 404 No"]),
    SWITCHING,
)


def outcome(
    parser: RequestHead | ResponseHead, parts: Iterable[bytes]
) -> tuple[object, ...] | None:
    """What a parser makes of bytes: its refusal, or all it says and what was left."""
    parts = iter(parts)
    try:
        for part in parts:
            if (rest := parser.feed(part)) is not None:
                first = parser.target if isinstance(parser, RequestHead) else parser.status
                return first, parser.version, parser.headers, rest + b"".join(parts)
    except Reject as reject:
        return type(reject), str(reject)
    return None


@given(requests, st.binary(max_size=20), st.sampled_from([SMALL, ROOMY]))
def test_a_request_split_at_every_byte(data: bytes, rest: bytes, limits: Limits) -> None:
    data += rest
    whole = outcome(RequestHead(limits), [data])
    assert whole == outcome(RequestHead(limits), (data[at : at + 1] for at in range(len(data))))
    for cut in range(0, len(data), 7):
        assert whole == outcome(RequestHead(limits), [data[:cut], data[cut:]])


class Reported:
    """The headers as httptools reports them."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value.rstrip(b" \t")))


@given(handshakes | requests)
def test_headers_are_those_that_httptools_sees(data: bytes) -> None:
    parsed, reported = RequestHead(ROOMY), Reported()
    try:
        rest = parsed.feed(data)
    except Reject:
        return
    if rest is not None:
        with suppress(HttpParserUpgrade):
            HttpRequestParser(reported).feed_data(data[: len(data) - len(rest)])
        assert parsed.headers == [h for h in reported.headers if b"_" not in h[0]]
        assert parsed.dropped == len(reported.headers) - len(parsed.headers)


@given(st.lists(answers, min_size=1, max_size=3), st.sampled_from([SMALL, ROOMY]))
def test_an_answer_split_at_every_byte(several: list[bytes], limits: Limits) -> None:
    data = b"".join(several)
    whole = outcome(ResponseHead(limits), [data])
    assert whole == outcome(ResponseHead(limits), (data[at : at + 1] for at in range(len(data))))
    for cut in range(0, len(data), 7):
        assert whole == outcome(ResponseHead(limits), [data[:cut], data[cut:]])


@given(handshakes | requests, st.booleans(), st.booleans())
def test_what_is_forwarded_is_clean(data: bytes, tls: bool, trusted: bool) -> None:  # noqa: FBT001
    parsed = RequestHead(ROOMY)
    try:
        if parsed.feed(data) is None:
            return
        asked = judge(parsed)
    except Reject:
        return
    built = upgrade_request(asked, Forwarded(b"192.0.2.1", tls=tls, trusted=trusted))
    again = request(built)
    assert judge(again).key == asked.key
    assert (again.target, again.values(b"host")) == (parsed.target, parsed.values(b"host"))
    assert again.values(b"upgrade") == [b"websocket"]
    assert again.values(b"connection") == [b"Upgrade"]
    assert not {b"content-length", b"transfer-encoding", b"keep-alive"} & set(again.names)
    assert again.names.count(b"x-forwarded-for") == 1
    forwarded = dict(zip(again.names, again.headers, strict=True))[b"x-forwarded-for"][1]
    assert forwarded.endswith(b"192.0.2.1")


@given(answers)
def test_an_answer_is_checked_or_relayed_cleanly(data: bytes) -> None:
    asked = judge(request(head(b"GET / HTTP/1.1", UPGRADE)))
    parsed = ResponseHead(ROOMY)
    try:
        if parsed.feed(data) is None or check_answer(asked, parsed) is not None:
            return
    except UpstreamReject:
        return
    again = ResponseHead(Limits())
    assert again.feed(relayed_response(parsed)) == b""
    assert (again.status, again.reason) == (parsed.status, parsed.reason)
    assert type(again.body()) is type(parsed.body())


@given(st.binary(), st.binary())
def test_random_bytes_raise_nothing_else(first: bytes, second: bytes) -> None:
    for start in (b"", b"GET /", b"GET / HTTP/1.1\r\nHost: a\r\n"):
        made = outcome(RequestHead(SMALL), [start + first, second + b"\r\n\r\n"])
        assert made is None or made[0] is not UpstreamReject
    for start in (b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n"):
        made = outcome(ResponseHead(SMALL), [start + first, second + b"\r\n\r\n"])
        assert made is None or made[0] is not Reject
