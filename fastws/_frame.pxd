"""RFC 6455 section 5.2: frame headers and close codes, on pointers.

Leaf functions without objects: what is legal at which moment is `Pipe`'s to say.
"""

from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy


cdef enum Opcode:
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


cdef enum CloseCode:
    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NO_STATUS_RCVD = 1005     # never on the wire
    ABNORMAL_CLOSURE = 1006   # never on the wire
    INVALID_DATA = 1007
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    BAD_GATEWAY = 1014


cdef enum:
    MAX_HEADER = 14           # 2 + 8 bytes of length + 4 of masking key
    MAX_CONTROL_PAYLOAD = 125
    MAX_CONTROL = MAX_HEADER - 8 + MAX_CONTROL_PAYLOAD
    MAX_REASON = MAX_CONTROL_PAYLOAD - 2


cdef struct FrameHeader:
    bint fin
    uint8_t rsv               # 0x40, 0x20, 0x10: where they stand in the first byte
    uint8_t opcode
    bint masked
    uint8_t key[4]
    uint64_t length           # of the payload
    size_t size               # of this header
    bint minimal              # the length is in its shortest form and its top bit is clear


cdef inline bint is_control(uint8_t opcode) noexcept nogil:
    return opcode & 0x8 != 0


cdef inline bint decode_start(const uint8_t* data, size_t size, FrameHeader* header) noexcept nogil:
    """Read the first two bytes; `length` is then the seven-bit field. False while they are not
    there."""
    if size < 2:
        return False
    header.fin = data[0] & 0x80 != 0
    header.rsv = data[0] & 0x70
    header.opcode = data[0] & 0x0F
    header.masked = data[1] & 0x80 != 0
    header.length = data[1] & 0x7F
    return True


cdef inline bint decode_rest(const uint8_t* data, size_t size, FrameHeader* header) noexcept nogil:
    """Read the extended length and the key behind a decoded start. False while they are not
    there."""
    cdef size_t extended = 0
    cdef uint64_t length = 0
    cdef size_t i
    if header.length == 126:
        extended = 2
    elif header.length == 127:
        extended = 8
    header.size = 2 + extended + (4 if header.masked else 0)
    if size < header.size:
        return False
    header.minimal = True
    if extended:
        for i in range(extended):
            length = length << 8 | data[2 + i]
        header.minimal = length > 0xFFFF and length >> 63 == 0 if extended == 8 else length > 125
        header.length = length
    if header.masked:
        memcpy(header.key, data + 2 + extended, 4)
    return True


cdef inline bint is_close_code(uint16_t code) noexcept nogil:
    """May it stand in a close frame? RFC 6455 section 7.4 and IANA's registry (1012 to 1014)."""
    if 3000 <= code <= 4999:
        return True
    return 1000 <= code <= 1014 and not 1004 <= code <= 1006
