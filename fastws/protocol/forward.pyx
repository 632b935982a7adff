"""See forward.pxd, the table of contents."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t

from fastws.protocol.head cimport Head, RequestHead, ResponseHead
from fastws.protocol.headers cimport (
    CONTENT_LENGTH,
    HOP_BY_HOP,
    HOST,
    IDENTITIES,
    X_FORWARDED_FOR,
    Forwarded,
    Out,
    has,
    put,
    put_fields,
)


# the request

cpdef bytes plain_request(RequestHead head, Forwarded forwarded, edits=None, bytes target=None,
                          bytes method=None, bytes host=b"", bint bodiless=False):
    cdef uint32_t dropped = HOP_BY_HOP | 1 << CONTENT_LENGTH
    cdef bytes last = b""
    if method is None:
        method = head.method
    if bodiless and head.has_body:
        last = b"Content-Length: 0\r\n"
    elif head.chunked():
        dropped = UNCHUNKED
        last = b"Transfer-Encoding: chunked\r\n"
    elif has(&head.table, CONTENT_LENGTH):
        last = b"Content-Length: %d\r\n" % head.length
    if edits is None and not has(&head.table, HOST):
        last += b"Host: %b\r\n" % host
    return edited(head, method, target, forwarded, edits, dropped, last)


cdef bytes edited(RequestHead head, bytes method, bytes target, Forwarded forwarded, edits,
                  uint32_t dropped, bytes last):
    """A request under the edits, or else with the forwarding headers; `last` are lines that no
    edit touches."""
    cdef bytes first = b"%b %b HTTP/1.1\r\n" % (method, head.target if target is None else target)
    if edits is not None:
        return built(first + edits.lines, head, edits.dropped, dropped, last, None)
    dropped |= 1 << X_FORWARDED_FOR if forwarded.trusted else IDENTITIES
    return built(first, head, None, dropped, last, forwarded)


# the answer

cpdef bytes relayed_response(ResponseHead response, bytes lines=b"", hidden=None,
                             bytes connection=b"close", bint chunked=True,
                             bytes status=None):
    cdef bytes own = b"%d %b" % (response.status, response.reason)
    cdef bytes first = b"HTTP/1.1 %b\r\n" % (own if status is None else status)
    cdef bytes last = b""
    cdef uint32_t dropped = HOP_BY_HOP
    if chunked and response.chunked():
        dropped &= ~<uint32_t> CHUNKED
    if response.status < 200 or response.status == 204:
        dropped |= 1 << CONTENT_LENGTH  # RFC 9110 section 8.6: these have none
    if response.status == 426:
        # RFC 9110 section 15.5.22: a 426 has an Upgrade field, and we offer only one protocol.
        connection = b"%b, Upgrade" % connection if connection else b"Upgrade"
        last = b"Upgrade: websocket\r\n"
    if connection:
        last = b"Connection: %b\r\n%b" % (connection, last)
    return built(first, response, hidden, dropped, last + lines, None)


# both

cdef bytes built(bytes first, Head head, hidden, uint32_t dropped, bytes last,
                 Forwarded forwarded):
    """Write twice: to find out the size, and then the bytes."""
    cdef Out out = Out(NULL, 0)
    cdef bytes made = None
    head.hide(hidden)
    while True:
        put_bytes(&out, first)
        put_fields(&out, &head.table, dropped)
        put_bytes(&out, last)
        if forwarded is not None:
            forwarded.put(&out, &head.table)
        put(&out, b"\r\n", 2)
        if made is not None:
            return made
        made = PyBytes_FromStringAndSize(NULL, out.size)
        out = Out(<uint8_t*> PyBytes_AS_STRING(made), 0)


cdef inline void put_bytes(Out* out, bytes data) noexcept:
    put(out, <const char*> data, len(data))
