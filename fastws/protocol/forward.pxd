"""Heads that go on: the request to the upstream, the answer to the client.

What ends here (RFC 9110 section 7.6.1) is left out; everything else is exact and in order.
"""

from libc.stdint cimport uint32_t

from fastws.protocol.head cimport Head, RequestHead, ResponseHead
from fastws.protocol.headers cimport HOP_BY_HOP, TRAILER, TRANSFER_ENCODING, Forwarded


cdef enum:
    # Trailers are relayed with their chunks, so what announces both goes along.
    CHUNKED = 1 << TRAILER | 1 << TRANSFER_ENCODING
    # That of a request says how long it is, and is written anew.
    UNCHUNKED = HOP_BY_HOP & ~(1 << TRAILER)


cpdef bytes plain_request(RequestHead head, Forwarded forwarded, edits=*, bytes target=*,
                          bytes method=*, bytes host=*, bint bodiless=*)
cpdef bytes relayed_response(ResponseHead response, bytes lines=*, hidden=*, bytes connection=*,
                             bint chunked=*, bytes status=*)

cdef bytes edited(RequestHead head, bytes method, bytes target, Forwarded forwarded, edits,
                  uint32_t dropped, bytes last)
cdef bytes built(bytes first, Head head, hidden, uint32_t dropped, bytes last,
                 Forwarded forwarded)
