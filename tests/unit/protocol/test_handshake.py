from __future__ import annotations

import pytest
from support.heads import ACCEPT, KEY, UPGRADE, request, response, switching, upgrade

from fastws.errors import Reject, UpstreamReject
from fastws.protocol.handshake import (
    UpgradeRequest,
    check_answer,
    judge,
    switching_response,
    upgrade_request,
)
from fastws.protocol.headers import Forwarded

CLIENT = Forwarded(client=b"192.0.2.1", tls=False, trusted=False)


def judged(*more: bytes, without: bytes = b"\0", line: bytes = b"GET / HTTP/1.1") -> UpgradeRequest:
    return judge(request(upgrade(*more, without=without, line=line)))


def rejected(*more: bytes, without: bytes = b"\0", line: bytes = b"GET / HTTP/1.1") -> Reject:
    with pytest.raises(Reject) as caught:
        judged(*more, without=without, line=line)
    assert caught.value.reason.isascii()
    return caught.value


class TestExample:
    """RFC 6455 section 1.3, to the letter."""

    REQUEST = (
        b"GET /chat HTTP/1.1\r\n"
        b"Host: server.example.com\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Origin: http://example.com\r\n"
        b"Sec-WebSocket-Protocol: chat, superchat\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"\r\n"
    )
    ANSWER = (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Sec-WebSocket-Protocol: chat\r\n"
        b"\r\n"
    )

    def test_the_request(self) -> None:
        judged = judge(request(self.REQUEST))
        assert judged.target == b"/chat"
        assert judged.host == b"server.example.com"
        assert judged.origin == b"http://example.com"
        assert judged.key == KEY
        assert judged.protocols == (b"chat", b"superchat")
        assert judged.extensions == ()
        assert upgrade_request(judged, CLIENT) == (
            b"GET /chat HTTP/1.1\r\n"
            b"Host: server.example.com\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Origin: http://example.com\r\n"
            b"Sec-WebSocket-Protocol: chat, superchat\r\n"
            b"Sec-WebSocket-Version: 13\r\n"
            b"Upgrade: websocket\r\n"
            b"Connection: Upgrade\r\n"
            b"X-Forwarded-For: 192.0.2.1\r\n"
            b"X-Forwarded-Proto: http\r\n"
            b"X-Forwarded-Host: server.example.com\r\n"
            b"X-Real-IP: 192.0.2.1\r\n"
            b"\r\n"
        )

    def test_the_answer(self) -> None:
        answer = check_answer(judge(request(self.REQUEST)), response(self.ANSWER))
        assert answer is not None
        assert answer.protocol == b"chat"
        assert answer.extensions == ()
        assert switching_response(answer) == self.ANSWER

    def test_any_header_can_be_asked_for(self) -> None:
        judged = judge(request(self.REQUEST))
        assert judged.values(b"origin") == [b"http://example.com"]
        assert judged.values(b"cookie") == []


class TestJudge:
    @pytest.mark.parametrize(
        ("without", "more"),
        [
            (b"Upgrade", b"Upgrade: WebSocket"),
            (b"Upgrade", b"Upgrade: h2c, websocket"),
            (b"Connection", b"Connection: keep-alive, UPGRADE"),
            (b"Connection", b"Connection: close\r\nConnection: upgrade"),
        ],
    )
    def test_forms_that_are_valid(self, without: bytes, more: bytes) -> None:
        assert judged(more, without=without).key == KEY

    @pytest.mark.parametrize(
        ("without", "more", "word"),
        [
            (b"Upgrade", b"X: y", "WebSocket client"),
            (b"Upgrade", b"Upgrade: h2c", "websocket only"),
            (b"Upgrade", b"Upgrade: websocket/13", "websocket only"),
            (b"Upgrade", b"Upgrade:", "WebSocket client"),
            (b"Connection", b"X: y", "Connection"),
            (b"Connection", b"Connection: keep-alive", "Connection"),
        ],
    )
    def test_what_is_no_handshake(self, without: bytes, more: bytes, word: str) -> None:
        reject = rejected(more, without=without)
        assert reject.status == 426
        assert word in reject.reason

    @pytest.mark.parametrize(
        "more",
        [
            b"X: y",
            b"Sec-WebSocket-Version: 8",
            b"Sec-WebSocket-Version: 13, 8",
            b"Sec-WebSocket-Version: 013",
            b"Sec-WebSocket-Version:",
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13",
        ],
    )
    def test_another_version(self, more: bytes) -> None:
        reject = rejected(more, without=b"Sec-WebSocket-Version")
        assert reject.status == 426
        assert reject.headers == ((b"Sec-WebSocket-Version", b"13"),)

    @pytest.mark.parametrize(
        "key",
        [
            None,
            b"",
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"dGhlIHNhbXBsZSBub25jZTE=",
            b"dGhlIHNhbXBsZSBub25=ZQ==",
            b"dGhlIHNhbXBsZSBub25jZ_==",
            KEY + KEY,
            KEY + b"\r\nSec-WebSocket-Key: " + KEY,
        ],
    )
    def test_a_bad_key(self, key: bytes | None) -> None:
        more = () if key is None else (b"Sec-WebSocket-Key: " + key,)
        assert rejected(*more, without=b"Sec-WebSocket-Key").status == 400

    @pytest.mark.parametrize("line", [b"Transfer-Encoding: chunked", b"Content-Length: 1"])
    def test_a_body(self, line: bytes) -> None:
        assert "body" in rejected(line).reason

    def test_an_empty_body_that_is_declared(self) -> None:
        assert judged(b"Content-Length: 0").target == b"/"

    @pytest.mark.parametrize("method", [b"POST", b"HEAD", b"OPTIONS", b"PUT"])
    def test_another_method(self, method: bytes) -> None:
        assert rejected(line=method + b" / HTTP/1.1").status == 400

    def test_malformed_extensions(self) -> None:
        assert rejected(b"Sec-WebSocket-Extensions: a;;b").status == 400

    def test_two_origins(self) -> None:
        assert rejected(b"Origin: http://a", b"Origin: http://b").status == 400

    def test_what_was_offered(self) -> None:
        request = judged(
            b"Sec-WebSocket-Protocol: a,\tB ,",
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x",
            b"sec-websocket-protocol: c",
        )
        assert request.protocols == (b"a", b"B", b"c")
        assert request.extensions == (b"permessage-deflate", b"x")
        assert request.origin is None


class TestUpgradeRequest:
    def built(self, *more: bytes, forwarded: Forwarded = CLIENT, **kwargs: bytes) -> list[bytes]:
        return upgrade_request(judged(*more, **kwargs), forwarded).split(b"\r\n")[:-2]

    def test_end_to_end_headers_are_exact_and_in_order(self) -> None:
        more = (
            b"Cookie: a=1; b=\xe9",
            b"origin: https://Example.com",
            b"X-Twice: 1",
            b"Authorization: Bearer x",
            b"x-twice: 2",
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        )
        assert self.built(*more)[1:-6] == [UPGRADE[0], *UPGRADE[3:], *more]

    def test_the_target_goes_on_byte_for_byte(self) -> None:
        target = b'/a/../%7e//b?x=%2F&y[]="<>|\\^`{}'
        line = b"GET %b HTTP/1.1" % target
        assert self.built(line=line)[0] == line

    def test_host_keeps_its_port(self) -> None:
        built = self.built(b"Host: example.com:8443", without=b"Host")
        assert b"Host: example.com:8443" in built
        assert b"X-Forwarded-Host: example.com:8443" in built

    def test_hop_by_hop_headers_end_here(self) -> None:
        built = self.built(
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic x",
            b"TE: trailers",
            b"Trailer: X",
            b"Content-Length: 0",
        )
        assert len(built) == len(UPGRADE) + 1 + 4
        assert built.count(b"Upgrade: websocket") == 1
        assert built.count(b"Connection: Upgrade") == 1

    def test_only_websocket_is_ever_upgraded_to(self) -> None:
        built = self.built(b"Upgrade: h2c, websocket", b"HTTP2-Settings: x", without=b"Upgrade")
        assert [line for line in built if line.startswith(b"Upgrade")] == [b"Upgrade: websocket"]

    def test_nominated_headers_end_here(self) -> None:
        built = self.built(
            b"X-Secret: 1", b"Connection: x-secret", b"Connection: X-Other", b"X-OTHER: 2"
        )
        assert not [line for line in built if line.lower().startswith((b"x-secret", b"x-other"))]

    def test_what_cannot_be_nominated(self) -> None:
        named = (b"Host", b"Sec-WebSocket-Key", b"X-Forwarded-For", b"Sec-WebSocket-Version")
        assert self.built(*(b"Connection: " + name for name in named)) == self.built()

    def test_names_with_an_underscore(self) -> None:
        assert judged(b"X_Real_IP: 1").dropped == 1
        assert self.built(b"X_Real_IP: 1") == self.built()

    def test_spoofed_addresses_are_overwritten(self) -> None:
        spoofed = (
            b"X-Forwarded-For: 1",
            b"x-real-ip: 1",
            b"Forwarded: for=1",
            b"X-FORWARDED-PROTO: x",
        )
        assert self.built(*spoofed) == self.built()

    def test_a_trusted_proxy_is_believed(self) -> None:
        built = self.built(
            b"X-Forwarded-For: 10.0.0.1",
            b"X-Forwarded-Proto: https",
            b"Forwarded: for=10.0.0.1",
            forwarded=Forwarded(b"192.0.2.1", tls=False, trusted=True),
        )
        assert [line for line in built if b"orward" in line or b"X-Real" in line] == [
            b"X-Forwarded-Proto: https",
            b"Forwarded: for=10.0.0.1",
            b"X-Forwarded-For: 10.0.0.1, 192.0.2.1",
            b"X-Forwarded-Host: example.com",
            b"X-Real-IP: 192.0.2.1",
        ]

    def test_tls_is_told(self) -> None:
        built = self.built(forwarded=Forwarded(b"unknown", tls=True, trusted=False))
        assert b"X-Forwarded-Proto: https" in built
        assert b"X-Forwarded-For: unknown" in built


class TestCheckAnswer:
    @pytest.mark.parametrize(
        "status", [b"200 OK", b"302 Found", b"401 No", b"426 Upgrade Required"]
    )
    def test_any_other_status_is_no_upgrade(self, status: bytes) -> None:
        assert check_answer(judged(), response(switching(line=b"HTTP/1.1 " + status))) is None

    @pytest.mark.parametrize(
        ("without", "more"),
        [
            (b"Upgrade", b"X: y"),
            (b"Upgrade", b"Upgrade: h2c"),
            (b"Upgrade", b"Upgrade: websocket, h2c"),
            (b"Upgrade", b"Upgrade: websocket\r\nUpgrade: websocket"),
            (b"Connection", b"X: y"),
            (b"Connection", b"Connection: close"),
            (b"Sec-WebSocket-Accept", b"X: y"),
            (b"Sec-WebSocket-Accept", b"Sec-WebSocket-Accept:"),
            (b"Sec-WebSocket-Accept", b"Sec-WebSocket-Accept: " + KEY),
            (b"Sec-WebSocket-Accept", b"Sec-WebSocket-Accept: " + ACCEPT.lower()),
            (b"\0", b"Sec-WebSocket-Accept: " + ACCEPT),
            (b"\0", b"Sec-WebSocket-Protocol: other"),
            (b"\0", b"Sec-WebSocket-Protocol: CHAT"),
            (b"\0", b"Sec-WebSocket-Protocol:"),
            (b"\0", b"Sec-WebSocket-Protocol: chat, superchat"),
            (b"\0", b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat"),
            (b"\0", b"Sec-WebSocket-Extensions: x-other"),
            (b"\0", b"Sec-WebSocket-Extensions: permessage-deflate, x-other"),
            (b"\0", b"Sec-WebSocket-Extensions: ;"),
        ],
    )
    def test_a_101_that_does_not_answer(self, without: bytes, more: bytes) -> None:
        request = judged(
            b"Sec-WebSocket-Protocol: chat, superchat",
            b"Sec-WebSocket-Extensions: permessage-deflate",
        )
        with pytest.raises(UpstreamReject) as caught:
            check_answer(request, response(switching(more, without=without)))
        assert caught.value.status == 502
        assert "upstream" in caught.value.reason

    def test_a_101_in_http_1_0(self) -> None:
        with pytest.raises(UpstreamReject):
            check_answer(judged(), response(switching(line=b"HTTP/1.0 101 OK")))

    @pytest.mark.parametrize(
        "answer",
        [
            switching(b"Upgrade: WebSocket", without=b"Upgrade"),
            switching(b"Connection: keep-alive, UPGRADE", without=b"Connection"),
            switching(b"sec-websocket-accept: " + ACCEPT, without=b"Sec-WebSocket-Accept"),
        ],
    )
    def test_forms_that_are_valid(self, answer: bytes) -> None:
        assert check_answer(judged(), response(answer)) is not None

    def test_what_was_agreed(self) -> None:
        request = judged(
            b"Sec-WebSocket-Protocol: chat, superchat",
            b"Sec-WebSocket-Extensions: permessage-deflate, x-other",
        )
        answer = check_answer(
            request,
            response(
                switching(
                    b"Sec-WebSocket-Protocol: superchat",
                    b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
                )
            ),
        )
        assert answer is not None
        assert answer.protocol == b"superchat"
        assert answer.extensions == (b"permessage-deflate",)


def test_the_101_is_exact_but_for_its_hop_by_hop_headers() -> None:
    more = (
        b"Set-Cookie: a=1",
        b"Date: Sun, 22 Nov 2026 19:00:00 GMT",
        b"Set-Cookie: b=\xe9",
        b"set-cookie: c=3",
        b"X_Under: kept",
    )
    gone = (
        b"Keep-Alive: timeout=5",
        b"X-Hop: 1",
        b"Connection: x-hop, sec-websocket-accept",
        b"Transfer-Encoding: chunked",
        b"Proxy-Authenticate: Basic",
    )
    answer = check_answer(judged(), response(switching(*gone, *more)))
    assert answer is not None
    assert switching_response(answer) == switching(*more, line=b"HTTP/1.1 101 Switching Protocols")


def test_lines_can_be_added_to_an_answer() -> None:
    extra = b"Set-Cookie: a=b\r\nX-A: 1\r\n"
    answer = check_answer(judged(), response(switching()))
    assert answer is not None
    plain = switching_response(answer)
    assert switching_response(answer, extra) == plain[:-2] + extra + b"\r\n"


def test_headers_of_a_101_can_be_hidden() -> None:
    answer = check_answer(judged(), response(switching(b"Server: x", b"X-A: 1")))
    assert answer is not None
    built = switching_response(answer, b"", {b"server"})
    assert built == switching(b"X-A: 1", line=b"HTTP/1.1 101 Switching Protocols")
    assert switching_response(answer).count(b"Server: x") == 1


def test_a_request_under_edits_has_their_lines_and_not_ours() -> None:
    class Edits:
        lines = b"Host: inner\r\nX-Real-IP: 7\r\n"
        dropped = frozenset({b"host", b"x-gone"})

    asked = judged(b"X-Gone: 1", b"X-Forwarded-For: 1.2.3.4", b"Keep-Alive: 5")
    assert upgrade_request(asked, CLIENT, Edits(), b"/other") == (
        b"GET /other HTTP/1.1\r\n"
        b"Host: inner\r\n"
        b"X-Real-IP: 7\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"X-Forwarded-For: 1.2.3.4\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"\r\n"
    )
