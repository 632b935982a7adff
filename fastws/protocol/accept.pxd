"""The hash that answers the key of a handshake (RFC 6455 section 4.2.2, 5.4)."""

from libc.stdint cimport uint8_t


cdef enum:
    # The base64 of 16 bytes, and that of 20.
    KEY_SIZE = 24
    ACCEPT_SIZE = 28


cdef void write_accept(const uint8_t* key, uint8_t* accept) noexcept nogil
