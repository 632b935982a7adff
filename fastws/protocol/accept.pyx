"""See accept.pxd, the table of contents."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from fastws._sha1 cimport sha1_60

cdef const char* GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
cdef const char* BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


cdef void write_accept(const uint8_t* key, uint8_t* accept) noexcept nogil:
    """Write the Sec-WebSocket-Accept that answers `key` (RFC 6455 section 4.2.2, 5.4)."""
    cdef uint8_t text[KEY_SIZE + 36]
    cdef uint8_t digest[21]
    cdef uint32_t bits
    cdef int i
    memcpy(text, key, KEY_SIZE)
    memcpy(text + KEY_SIZE, GUID, 36)
    sha1_60(text, digest)
    digest[20] = 0
    for i in range(ACCEPT_SIZE - 1):
        # the 6 bits from bit 6i on, which lie in two bytes at most
        bits = digest[i * 6 >> 3] << 8 | digest[(i * 6 >> 3) + 1]
        accept[i] = BASE64[bits >> (10 - (i * 6 & 7)) & 63]
    accept[ACCEPT_SIZE - 1] = c"="


def accept_key(bytes key not None):
    """The Sec-WebSocket-Accept that answers `key` (RFC 6455 section 4.2.2, 5.4)."""
    cdef uint8_t accept[ACCEPT_SIZE]
    if len(key) != KEY_SIZE:
        raise ValueError("a Sec-WebSocket-Key is the base64 of 16 bytes")
    write_accept(key, accept)
    return accept[:ACCEPT_SIZE]
