"""Answers of our own: short, and they say why."""

from http import HTTPStatus

from fastws.errors import Reject

# RFC 9110 section 15.5.22: a 426 must say what to upgrade to, and section 7.8: an Upgrade field
# is always listed in Connection.
_UPGRADE_REQUIRED = b"Connection: close, Upgrade\r\nUpgrade: websocket\r\n"
_CLOSE = b"Connection: close\r\n"


def error_response(reject: Reject) -> bytes:
    """Format the whole answer to a rejected request, head and body."""
    title = f"{reject.status} {HTTPStatus(reject.status).phrase}"
    body = f"{title}\n{reject.reason}\n".encode()
    return b"".join(
        (
            b"HTTP/1.1 %b\r\n" % title.encode(),
            b"Content-Type: text/plain; charset=utf-8\r\n",
            b"Content-Length: %d\r\n" % len(body),
            _UPGRADE_REQUIRED if reject.status == HTTPStatus.UPGRADE_REQUIRED else _CLOSE,
            *[b"%b: %b\r\n" % header for header in reject.headers],
            b"\r\n",
            body,
        )
    )


def page_response(page: bytes) -> bytes:
    """Format the whole answer that is an HTML page."""
    return b"".join(
        (
            b"HTTP/1.1 200 OK\r\n",
            b"Content-Type: text/html; charset=utf-8\r\n",
            b"Content-Length: %d\r\n" % len(page),
            _CLOSE,
            b"\r\n",
            page,
        )
    )
