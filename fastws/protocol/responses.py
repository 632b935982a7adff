"""Answers of our own: short, and they say why."""

from collections.abc import Sequence
from http import HTTPStatus

from fastws.errors import Reject

# RFC 9110 section 15.5.22: a 426 must say what to upgrade to, and section 7.8: an Upgrade field
# is always listed in Connection.
_UPGRADE = b"Upgrade: websocket\r\n"

_Headers = Sequence[tuple[bytes, bytes]]


def error_response(reject: Reject, added: _Headers = (), *, to_head: bool = False) -> bytes:
    """Format the whole answer to a rejected request, the last one on its connection."""
    why = reject.told or reject.reason
    body = f"{reject.status} {_phrase(reject.status)}\n{why}\n".encode()
    headers = ((b"Content-Type", b"text/plain; charset=utf-8"), *reject.headers, *added)
    return reply_response(reject.status, headers, body, to_head=to_head)


def page_response(page: bytes) -> bytes:
    """Format the whole answer that is an HTML page."""
    return reply_response(200, ((b"Content-Type", b"text/html; charset=utf-8"),), page)


def reply_response(
    status: int,
    headers: _Headers,
    body: bytes,
    connection: bytes = b"close",
    *,
    to_head: bool = False,
) -> bytes:
    """Format a whole answer; the one ``to_head`` has no body, but says what it would be.

    ``connection`` is what Connection says, empty for nothing.
    """
    bodiless = status < HTTPStatus.OK or status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    upgrade = b""
    if status == HTTPStatus.UPGRADE_REQUIRED:
        connection = b"%b, Upgrade" % connection if connection else b"Upgrade"
        upgrade = _UPGRADE
    return b"".join(
        (
            b"HTTP/1.1 %b\r\n" % status_text(status),
            *[b"%b: %b\r\n" % header for header in headers],
            b"" if bodiless else b"Content-Length: %d\r\n" % len(body),
            b"Connection: %b\r\n" % connection if connection else b"",
            upgrade,
            b"\r\n",
            b"" if bodiless or to_head else body,
        )
    )


def status_text(status: int) -> bytes:
    """Return a status with its reason, as a status line has them."""
    return b"%d %b" % (status, _phrase(status).encode())


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
