from __future__ import annotations

import pytest
from support.heads import head, request, response

from fastws.protocol.forward import plain_request, relayed_response
from fastws.protocol.headers import Forwarded

CLIENT = Forwarded(client=b"192.0.2.1", tls=False, trusted=False)
OURS = [
    b"X-Forwarded-For: 192.0.2.1",
    b"X-Forwarded-Proto: http",
    b"X-Forwarded-Host: example.com",
    b"X-Real-IP: 192.0.2.1",
]


class Edits:
    lines = b"Host: inner\r\nConnection: close\r\n"
    dropped = frozenset({b"host", b"expect"})


class TestPlainRequest:
    def built(self, line: bytes, *lines: bytes, **more: object) -> list[bytes]:
        asked = request(head(line, lines))
        return plain_request(asked, CLIENT, **more).split(b"\r\n")[:-2]  # type: ignore[arg-type]

    def test_end_to_end_headers_are_exact_and_in_order(self) -> None:
        lines = [b"Host: example.com", b"Cookie: a", b"X-A:", b"cookie: b", b"Expect: 100-continue"]
        built = self.built(b"PATCH /a%2Fb?c HTTP/1.1", *lines)
        assert built[0] == b"PATCH /a%2Fb?c HTTP/1.1"
        assert [line.rstrip() for line in built[1:]] == lines + OURS

    def test_hop_by_hop_headers_and_upgrades_end_here(self) -> None:
        gone = [
            b"Connection: keep-alive, HTTP2-Settings, Upgrade",
            b"Keep-Alive: timeout=5",
            b"HTTP2-Settings: AAMAAABk",
            b"Upgrade: h2c",
            b"TE: trailers",
            b"Trailer: X-Sum",
            b"Proxy-Connection: keep-alive",
            b"X-Real-IP: 10.0.0.1",
        ]
        built = self.built(b"GET / HTTP/1.1", b"Host: example.com", *gone)
        assert built == [b"GET / HTTP/1.1", b"Host: example.com", *OURS]

    def test_a_length_is_written_anew(self) -> None:
        built = self.built(b"PUT / HTTP/1.1", b"Content-Length: 007", b"Host: example.com")
        assert built == [b"PUT / HTTP/1.1", b"Host: example.com", b"Content-Length: 7", *OURS]

    def test_chunks_stay_chunks_and_announce_their_trailers(self) -> None:
        lines = [b"Host: example.com", b"Trailer: X-Sum"]
        coding = b"Transfer-Encoding: chunked"
        assert self.built(b"PUT / HTTP/1.1", *lines, b"transfer-encoding: Chunked") == [
            b"PUT / HTTP/1.1",
            *lines,
            coding,
            *OURS,
        ]

    def test_http_1_0_without_a_host_gets_one(self) -> None:
        built = self.built(b"GET / HTTP/1.0", host=b"10.0.0.1:80")
        assert built == [b"GET / HTTP/1.1", b"Host: 10.0.0.1:80", *OURS[:2], OURS[3]]

    def test_edits_take_the_place_of_our_own_rules(self) -> None:
        built = self.built(
            b"POST /a HTTP/1.1",
            b"Host: example.com",
            b"Expect: 100-continue",
            b"Content-Length: 1",
            b"Keep-Alive: 5",
            b"X-Forwarded-For: 1.2.3.4",
            edits=Edits(),
            target=b"/b",
        )
        assert built == [
            b"POST /b HTTP/1.1",
            b"Host: inner",
            b"Connection: close",
            b"X-Forwarded-For: 1.2.3.4",
            b"Content-Length: 1",
        ]

    def test_another_method_takes_the_place_of_the_clients(self) -> None:
        lines = [b"Host: example.com", b"Content-Length: 5"]
        built = self.built(b"POST / HTTP/1.1", *lines, method=b"GET")
        assert built == [b"GET / HTTP/1.1", *lines, *OURS]

    @pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
    def test_a_body_that_does_not_follow_has_no_length(self, framing: bytes) -> None:
        built = self.built(
            b"POST / HTTP/1.1", b"Host: example.com", framing, b"Trailer: X", bodiless=True
        )
        assert built == [b"POST / HTTP/1.1", b"Host: example.com", b"Content-Length: 0", *OURS]

    def test_a_request_without_a_body_loses_none(self) -> None:
        built = self.built(b"GET / HTTP/1.1", b"Host: example.com", bodiless=True)
        assert built == [b"GET / HTTP/1.1", b"Host: example.com", *OURS]


class TestRelayedResponse:
    def relayed(self, line: bytes, *lines: bytes) -> list[bytes]:
        return relayed_response(response(head(line, lines))).split(b"\r\n")[:-2]

    def test_status_reason_and_headers_are_exact(self) -> None:
        lines = (
            b"Content-Length: 2",
            b"WWW-Authenticate: Basic",
            b"Set-Cookie: a",
            b"set-cookie: b",
        )
        built = self.relayed(b"HTTP/1.1 401 N\xf6  way", *lines)
        assert built == [b"HTTP/1.1 401 N\xf6  way", *lines, b"Connection: close"]

    def test_a_missing_reason_stays_missing(self) -> None:
        assert self.relayed(b"HTTP/1.1 503")[0] == b"HTTP/1.1 503 "

    def test_the_version_is_our_own(self) -> None:
        assert self.relayed(b"HTTP/1.0 200 OK") == [b"HTTP/1.1 200 OK", b"Connection: close"]

    def test_hop_by_hop_headers_end_here(self) -> None:
        gone = (
            b"Connection: keep-alive, x-hop",
            b"Keep-Alive: timeout=5",
            b"X-Hop: 1",
            b"Upgrade: h2c",
        )
        built = self.relayed(b"HTTP/1.1 200 OK", *gone)
        assert built == [b"HTTP/1.1 200 OK", b"Connection: close"]

    def test_a_chunked_body_stays_chunked(self) -> None:
        kept = (b"Trailer: X-Sum", b"Transfer-Encoding: chunked")
        built = self.relayed(b"HTTP/1.1 200 OK", *kept, b"Connection: transfer-encoding")
        assert built == [b"HTTP/1.1 200 OK", *kept, b"Connection: close"]

    def test_framing_of_a_204_is_left_out(self) -> None:
        for line in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
            built = self.relayed(b"HTTP/1.1 204 No Content", line)
            assert built == [b"HTTP/1.1 204 No Content", b"Connection: close"]

    def test_a_426_offers_websocket(self) -> None:
        built = self.relayed(
            b"HTTP/1.1 426 Upgrade Required",
            b"Upgrade: h2c",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Version: 13",
        )
        assert built[1:] == [
            b"Sec-WebSocket-Version: 13",
            b"Connection: close, Upgrade",
            b"Upgrade: websocket",
        ]

    def test_lines_can_be_added_and_names_hidden(self) -> None:
        answer = response(head(b"HTTP/1.1 403 Forbidden", [b"X-B: 2", b"Server: a"]))
        assert relayed_response(answer, b"X-A: 1\r\n", {b"x-b"}).split(b"\r\n")[:-2] == [
            b"HTTP/1.1 403 Forbidden",
            b"Server: a",
            b"Connection: close",
            b"X-A: 1",
        ]
        assert b"X-B: 2" in relayed_response(answer)

    @pytest.mark.parametrize(
        ("connection", "line"),
        [(b"", []), (b"keep-alive", [b"Connection: keep-alive"])],
    )
    def test_the_connection_may_stay(self, connection: bytes, line: list[bytes]) -> None:
        answer = response(head(b"HTTP/1.1 200 OK", [b"Content-Length: 0"]))
        built = relayed_response(answer, connection=connection).split(b"\r\n")[:-2]
        assert built == [b"HTTP/1.1 200 OK", b"Content-Length: 0", *line]

    def test_a_body_that_loses_its_chunks_loses_what_announces_them(self) -> None:
        chunked = (b"Trailer: X-Sum", b"Transfer-Encoding: chunked")
        built = relayed_response(response(head(b"HTTP/1.1 200 OK", chunked)), chunked=False)
        assert built == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
