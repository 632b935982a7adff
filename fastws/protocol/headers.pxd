"""Header fields as a table of offsets into the head: cut, told apart, looked up and written out.

Leaf functions on pointers. What they are given is well-formed: httptools has judged it.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy


cdef struct Text:
    const uint8_t* data
    size_t size


cdef enum Known:
    # names that mean something to a proxy
    OTHER
    CONNECTION
    CONTENT_LENGTH
    HOST
    IDENTITY                  # another name that says who the client is
    KEEP_ALIVE
    ORIGIN
    PROXY_AUTHENTICATE
    PROXY_AUTHORIZATION
    PROXY_CONNECTION
    SEC_WEBSOCKET             # another name that begins so
    SEC_WEBSOCKET_ACCEPT
    SEC_WEBSOCKET_EXTENSIONS
    SEC_WEBSOCKET_KEY
    SEC_WEBSOCKET_PROTOCOL
    SEC_WEBSOCKET_VERSION
    TE
    TRAILER
    TRANSFER_ENCODING
    UPGRADE
    X_FORWARDED_FOR
    X_FORWARDED_HOST
    X_FORWARDED_PROTO
    X_REAL_IP


cdef enum:
    # sets of them: one bit each

    # RFC 9110 section 7.6.1; the Proxy-* are for the proxy that the peer itself chose.
    HOP_BY_HOP = (
        1 << CONNECTION | 1 << KEEP_ALIVE | 1 << PROXY_AUTHENTICATE | 1 << PROXY_AUTHORIZATION
        | 1 << PROXY_CONNECTION | 1 << TE | 1 << TRAILER | 1 << TRANSFER_ENCODING | 1 << UPGRADE
    )
    # what backends learn from who the client is
    IDENTITIES = (
        1 << IDENTITY | 1 << X_FORWARDED_FOR | 1 << X_FORWARDED_HOST | 1 << X_FORWARDED_PROTO
        | 1 << X_REAL_IP
    )
    # What a peer may take away by naming it in Connection: taking any other would change what the
    # message means, or hide who sent it.
    NOMINABLE = 1 << OTHER | 1 << ORIGIN


cdef struct Field:
    uint32_t name, name_size      # offsets into the head, and sizes; no space around the value
    uint32_t value, value_size
    uint8_t known
    uint8_t nominated             # Connection says that it ends here
    uint8_t hidden                # and so does the configuration


cdef struct Table:
    const uint8_t* data           # the head
    Field* fields
    uint32_t count
    uint32_t seen                 # the set of the known names in it


cdef struct Out:
    # where a head is written, or NULL to find out its size
    uint8_t* data
    size_t size


# names and lists

cdef Known identify(const uint8_t* name, size_t size) noexcept nogil


cdef inline bint named(const uint8_t* name, size_t size, const char* known,
                       size_t known_size) noexcept nogil:
    """Is it `known`, which is in lower case, in whatever case?

    Of the bytes that can stand in a name or a value, 0x20 turns only capitals into letters, and
    none into a hyphen.
    """
    cdef size_t i
    if size != known_size:
        return False
    for i in range(size):
        if name[i] | 0x20 != <uint8_t> known[i]:
            return False
    return True


cdef inline bint is_alphanumeric(uint8_t byte) noexcept nogil:
    return c"a" <= byte | 0x20 <= c"z" or c"0" <= byte <= c"9"


cdef inline bint is_blank(uint8_t byte) noexcept nogil:
    return byte == c" " or byte == c"\t"


cdef inline bint next_element(Text* rest, Text* element) noexcept nogil:
    """Cut the next element off a comma-separated list; empty ones are skipped (RFC 9110 section
    5.6.1). False at the end."""
    cdef size_t i = 0
    while i < rest.size and (is_blank(rest.data[i]) or rest.data[i] == c","):
        i += 1
    element.data = rest.data + i
    element.size = 0
    while i < rest.size and rest.data[i] != c",":
        i += 1
        if not is_blank(rest.data[i - 1]):
            element.size = rest.data + i - element.data
    rest.data += i
    rest.size -= i
    return element.size != 0


cdef inline bint same(const Text* one, const Text* other) noexcept nogil:
    return one.size == other.size and memcmp(one.data, other.data, one.size) == 0


# the table

cdef inline bint has(const Table* table, Known known) noexcept nogil:
    return table.seen >> known & 1


cdef inline Text value_of(const Table* table, const Field* field) noexcept nogil:
    return Text(table.data + field.value, field.value_size)


cdef inline bytes bytes_of(Text text):
    return text.data[:text.size]


cdef size_t cut_field(const uint8_t* data, size_t size, size_t at, Field* field) noexcept nogil
cdef const Field* next_field(const Table* table, Known known, const Field* last) noexcept nogil
cdef const Field* only_field(const Table* table, Known known) noexcept nogil
cdef bint lists(const Table* table, Known known, const char* element, size_t size) noexcept nogil
cdef bint offers(const Table* table, Known known, const Text* wanted) noexcept nogil


# writing

cdef inline void put(Out* out, const void* data, size_t size) noexcept nogil:
    if out.data is not NULL:
        memcpy(out.data + out.size, data, size)
    out.size += size


cdef inline void put_line(Out* out, const char* start, size_t size,
                          const Text* value) noexcept nogil:
    """Write a header of which `start` is the name, with the colon and space."""
    put(out, start, size)
    put(out, value.data, value.size)
    put(out, b"\r\n", 2)


cdef void put_fields(Out* out, const Table* table, uint32_t dropped) noexcept nogil


cdef class Forwarded:
    cdef readonly bytes client
    cdef readonly bint tls
    cdef readonly bint trusted

    cdef void put(self, Out* out, const Table* table) noexcept
    cdef void _put_chain(self, Out* out, const Table* table) noexcept
