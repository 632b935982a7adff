from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

from httptools import HttpParserUpgrade, HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st
from support import reference_head as reference
from support.heads import KEY, SWITCHING, UPGRADE, Limits, head, request

from fastws.errors import Reject, UpstreamReject
from fastws.protocol import extensions, handshake
from fastws.protocol import head as compiled
from fastws.protocol.forward import relayed_response
from fastws.protocol.handshake import check_answer, judge, upgrade_request
from fastws.protocol.head import RequestHead, ResponseHead
from fastws.protocol.headers import Forwarded
from fastws.protocol.target import normal_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

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


# -- the same as the plain Python reference -------------------------------------------------------

# Further pieces: near misses of the names that mean something, long lists, odd blanks.
spelt = st.sampled_from(
    (
        *(
            b"Sec-WebSocket-Version",
            b"Sec-WebSocket-Accept",
            b"TE",
            b"Trailer",
            b"Proxy-Connection",
        ),
        *(b"X-Forwarded-Host", b"X-Forwarded-Port", b"Forwardedly", b"X-Real-IPs", b"Close"),
    )
)
names_in_any_case = st.builds(
    lambda name, case: case(name),
    names | spelt,
    st.sampled_from([bytes.lower, bytes.upper, bytes.title, bytes.swapcase]),
)
blanks = st.text(" \t", max_size=2).map(str.encode)
elements = st.sampled_from(
    (
        *(b"upgrade", b"websocket", b"keep-alive", b"close", b"X-A", b"x_b", b"origin", b"chat"),
        *(b"chunked", b"permessage-deflate", b'p; q="a,\\"b"', b"p;q= r;s", b";", b'"', b"a=b"),
        *(b"b", b""),
    )
)
listed = st.lists(
    st.builds(b"%b%b%b".__mod__, st.tuples(blanks, elements, blanks)), max_size=4
).map(b",".join)
hosts = st.sampled_from(
    (
        *(b"a", b"a:80", b"a:", b":80", b"a:123456", b"a:80:80", b"a:8x", b"a%2", b"a%20b", b"a b"),
        *(b"[::1]", b"[::1]:8", b"[:::]", b"[1.2.3.4]", b"[::1]x", b"[]", b"a@b", b"", b"\xe4"),
        b"A.b-c_~!$&'()*+,;=",
    )
)
odd_lines = st.one_of(
    st.builds(b"%b:%b%b%b".__mod__, st.tuples(names_in_any_case, blanks, values | listed, blanks)),
    st.builds(b"Connection: %b".__mod__, listed),
    st.builds(b"Sec-WebSocket-Extensions: %b".__mod__, listed),
    st.builds(b"Sec-WebSocket-Protocol: %b".__mod__, listed),
    st.builds(b"Transfer-Encoding: %b".__mod__, listed),
    st.builds(b"Host: %b".__mod__, hosts),
    st.sampled_from(UPGRADE + SWITCHING),
)
first_lines = st.one_of(
    st.builds(
        b"%b%b%b%bHTTP/1.%b".__mod__,
        st.tuples(
            st.sampled_from(
                [b"GET", b"GET", b"PUT", b"CONNECT", b"TRACE", b"M-SEARCH", b"get", b"XYZ", b""]
            ),
            st.sampled_from([b" ", b" ", b" ", b"  ", b"", b"\t"]),
            targets | st.sampled_from([b"/#", b"/\x7f", b"/\xe4", b'/!~"', b""]),
            st.sampled_from([b" ", b" ", b" ", b"  ", b"", b"\r"]),
            st.sampled_from([b"1", b"1", b"1", b"0", b"2", b"11", b""]),
        ),
    ),
    st.sampled_from([b"PRI * HTTP/2.0", b"\x16\x03\x01", b"GET / HTTP/1.1\r"]),
)
status_lines = st.builds(
    b"HTTP/1.%b%b%b%b".__mod__,
    st.tuples(
        st.sampled_from([b"1", b"1", b"1", b"0", b"2"]),
        st.sampled_from([b" ", b" ", b" ", b"  ", b""]),
        st.sampled_from([b"101", b"101", b"200", b"204", b"304", b"426", b"100", b"103", b"099"]),
        st.sampled_from([b"", b" ", b" OK", b"OK", b" \xe4\t ok ", b" \0", b" \x7f"]),
    ),
)


def hostile(first: st.SearchStrategy[bytes], base: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Heads with most faults at any place; half of them begin as a good one does."""
    good = st.lists(odd_lines, max_size=4).flatmap(lambda more: st.permutations([*base, *more]))
    built = st.builds(head, first, good | st.lists(odd_lines, max_size=6))
    return built | st.builds(mangled, built, st.integers(0, 600), odd)


limits = st.sampled_from([SMALL, ROOMY, Limits()])
cuts = st.lists(st.integers(0, 700), max_size=4)
forwards = st.builds(
    Forwarded, st.sampled_from([b"::1", b"192.0.2.1", b"unknown"]), st.booleans(), st.booleans()
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def told(make: Callable[[], object]) -> object:
    """What a step gives, or how it refuses."""
    try:
        return make()
    except Reject as reject:
        return type(reject), str(reject), reject.status, reject.reason, reject.headers


def read(parser: RequestHead | ResponseHead, parts: Iterable[bytes]) -> bytes | None:
    for part in (parts := iter(parts)):
        if (rest := parser.feed(part)) is not None:
            return rest + b"".join(parts)
    return None


def shown(parsed: object, more: Iterable[str]) -> list[object]:
    common = ("version", "headers", "names", *more)
    looked_up = (b"host", b"connection", b"x-a", b"x_b", b"sec-websocket-key", b"upgrade", b"none")
    return [
        *(getattr(parsed, name) for name in common),
        *(parsed.values(name) for name in looked_up),  # type: ignore[attr-defined]
    ]


def request_story(
    heads: ModuleType, rules: ModuleType, parts: list[bytes], limits: Limits, forwarded: Forwarded
) -> list[object]:
    """All that is told of a request, and made of it."""
    parsed = heads.RequestHead(limits)
    story = [told(lambda: read(parsed, parts)), parsed.method, parsed.target]
    if not isinstance(story[0], bytes):
        return story
    story += shown(parsed, ("dropped", "is_upgrade"))
    judged = told(lambda: rules.judge(parsed))
    if isinstance(judged, tuple):
        return [*story, judged]
    asked = ("target", "host", "origin", "key", "protocols", "extensions", "dropped")
    return [
        *story,
        *(getattr(judged, name) for name in asked),
        rules.upgrade_request(judged, forwarded),
    ]


def answer_story(
    heads: ModuleType,
    rules: ModuleType,
    asked: bytes,
    parts: list[bytes],
    limits: Limits,
    *,
    relayed: Callable[[ResponseHead], bytes],
) -> list[object]:
    """All that is told of an answer, and made of it."""
    question = heads.RequestHead(Limits())
    question.feed(asked)
    parsed = heads.ResponseHead(limits)
    story = [told(lambda: read(parsed, parts))]
    if not isinstance(story[0], bytes):
        return story
    story += shown(parsed, ("status", "reason", "has_chunked_body"))
    story += [type(parsed.body()), relayed(parsed)]
    agreed = told(lambda: rules.check_answer(rules.judge(question), parsed))
    if agreed is None or isinstance(agreed, tuple):
        return [*story, agreed]
    return [*story, agreed.protocol, agreed.extensions, rules.switching_response(agreed)]  # type: ignore[attr-defined]


@given(hostile(first_lines, UPGRADE) | handshakes | requests, cuts, limits, forwards)
def test_a_request_is_what_the_reference_makes_of_it(
    data: bytes, cuts: list[int], limits: Limits, forwarded: Forwarded
) -> None:
    parts = pieces(data, cuts)
    assert request_story(compiled, handshake, parts, limits, forwarded) == request_story(
        reference, reference, parts, limits, forwarded
    )


QUESTION = head(
    b"GET / HTTP/1.1",
    (*UPGRADE, b"Sec-WebSocket-Protocol: chat,, X-A", b"Sec-WebSocket-Extensions: p; q=r, b"),
)


@given(
    st.lists(hostile(status_lines, SWITCHING) | answers, min_size=1, max_size=3).map(b"".join),
    cuts,
    limits,
)
def test_an_answer_is_what_the_reference_makes_of_it(
    data: bytes, cuts: list[int], limits: Limits
) -> None:
    parts = pieces(data, cuts)
    told_compiled = answer_story(
        compiled, handshake, QUESTION, parts, limits, relayed=relayed_response
    )
    told_reference = answer_story(
        reference, reference, QUESTION, parts, limits, relayed=reference.relayed_response
    )
    assert told_compiled == told_reference


@given(st.lists(listed | st.binary(max_size=30), max_size=3))
def test_extensions_are_what_the_reference_makes_of_them(lines: list[bytes]) -> None:
    def told_by(parse: Callable[[list[bytes]], tuple[bytes, ...]]) -> object:
        try:
            return parse(lines)
        except ValueError as error:
            return str(error)

    assert told_by(extensions.parse) == told_by(reference.parse_extensions)


@given(
    st.lists(st.sampled_from([b"/", b".", b"..", b"a", b"%", b"%2e", b"%2F", b"%00", b"?"])).map(
        b"".join
    )
)
def test_a_path_is_what_the_reference_makes_of_it(path: bytes) -> None:
    assert told(lambda: normal_path(b"/" + path)) == told(
        lambda: reference.normal_path(b"/" + path)
    )
