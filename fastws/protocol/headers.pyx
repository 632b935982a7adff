"""See headers.pxd, the table of contents."""

cimport cython
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp, memset


cdef struct Name:
    # in lower case, as much of it as the longest known name has
    char text[24]
    size_t size


# names

cdef Known identify(const uint8_t* name, size_t size) noexcept nogil:
    """Tell which name it is; it is not empty."""
    cdef Name low
    cdef size_t i
    low.size = size
    memset(low.text, 0, sizeof(low.text))
    for i in range(min(size, sizeof(low.text))):
        low.text[i] = name[i] | 0x20  # see `named`
    if low.text[0] == c"s":
        return identify_sec_websocket(&low) if starts(&low, b"sec-websocket-", 14) else OTHER
    if low.text[0] == c"p":
        return identify_proxy(&low)
    if low.text[0] == c"f" or low.text[0] == c"x":
        return identify_identity(&low)
    return identify_framing(&low)


cdef inline bint starts(const Name* name, const char* known, size_t size) noexcept nogil:
    return memcmp(name.text, known, size) == 0


cdef inline bint equals(const Name* name, const char* known, size_t size) noexcept nogil:
    return name.size == size and memcmp(name.text, known, size) == 0


cdef inline Known identify_framing(const Name* name) noexcept nogil:
    if equals(name, b"host", 4):
        return HOST
    if equals(name, b"upgrade", 7):
        return UPGRADE
    if equals(name, b"connection", 10):
        return CONNECTION
    if equals(name, b"origin", 6):
        return ORIGIN
    if equals(name, b"content-length", 14):
        return CONTENT_LENGTH
    if equals(name, b"transfer-encoding", 17):
        return TRANSFER_ENCODING
    if equals(name, b"keep-alive", 10):
        return KEEP_ALIVE
    if equals(name, b"te", 2):
        return TE
    return TRAILER if equals(name, b"trailer", 7) else OTHER


cdef inline Known identify_sec_websocket(const Name* name) noexcept nogil:
    if equals(name, b"sec-websocket-key", 17):
        return SEC_WEBSOCKET_KEY
    if equals(name, b"sec-websocket-version", 21):
        return SEC_WEBSOCKET_VERSION
    if equals(name, b"sec-websocket-accept", 20):
        return SEC_WEBSOCKET_ACCEPT
    if equals(name, b"sec-websocket-protocol", 22):
        return SEC_WEBSOCKET_PROTOCOL
    if equals(name, b"sec-websocket-extensions", 24):
        return SEC_WEBSOCKET_EXTENSIONS
    return SEC_WEBSOCKET


cdef inline Known identify_proxy(const Name* name) noexcept nogil:
    if equals(name, b"proxy-authenticate", 18):
        return PROXY_AUTHENTICATE
    if equals(name, b"proxy-authorization", 19):
        return PROXY_AUTHORIZATION
    return PROXY_CONNECTION if equals(name, b"proxy-connection", 16) else OTHER


cdef inline Known identify_identity(const Name* name) noexcept nogil:
    if equals(name, b"x-forwarded-for", 15):
        return X_FORWARDED_FOR
    if equals(name, b"x-forwarded-proto", 17):
        return X_FORWARDED_PROTO
    if equals(name, b"x-forwarded-host", 16):
        return X_FORWARDED_HOST
    if equals(name, b"x-real-ip", 9):
        return X_REAL_IP
    if starts(name, b"x-forwarded-", 12) or starts(name, b"forwarded", 9):
        return IDENTITY
    return IDENTITY if starts(name, b"x-real-ip", 9) else OTHER


# the table

cdef size_t cut_field(const uint8_t* data, size_t size, size_t at, Field* field) noexcept nogil:
    """Cut the header line at `at`, which ends in CRLF; returns where the next one begins."""
    cdef const uint8_t* line = data + at
    cdef const uint8_t* end = <const uint8_t*> memchr(line, c"\n", size - at) - 1
    cdef const uint8_t* colon = <const uint8_t*> memchr(line, c":", end - line)
    cdef const uint8_t* value = end if colon is NULL else colon + 1  # httptools wants a colon
    field.name = at
    field.name_size = (end if colon is NULL else colon) - line
    field.known = identify(line, field.name_size)
    field.nominated = field.hidden = False
    while value < end and is_blank(value[0]):
        value += 1
    field.value = value - data
    field.value_size = trimmed(value, end - value)
    return end - data + 2


cdef inline size_t trimmed(const uint8_t* value, size_t size) noexcept nogil:
    while size and is_blank(value[size - 1]):
        size -= 1
    return size


cdef const Field* next_field(const Table* table, Known known, const Field* last) noexcept nogil:
    """The first field of a name behind `last`, or of all if that is NULL; NULL: there is none."""
    cdef const Field* field = table.fields
    if last is not NULL:
        field = last + 1
    if has(table, known):
        while field < table.fields + table.count:
            if field.known == known:
                return field
            field += 1
    return NULL


cdef const Field* only_field(const Table* table, Known known) noexcept nogil:
    """The field of a name; NULL if there is none, or more than one."""
    cdef const Field* field = next_field(table, known, NULL)
    if field is NULL or next_field(table, known, field) is not NULL:
        return NULL
    return field


cdef bint lists(const Table* table, Known known, const char* element, size_t size) noexcept nogil:
    """Is `element`, in lower case, in the lists of any of the fields of a name?"""
    cdef const Field* field = next_field(table, known, NULL)
    cdef Text rest, found
    while field is not NULL:
        rest = value_of(table, field)
        while next_element(&rest, &found):
            if named(found.data, found.size, element, size):
                return True
        field = next_field(table, known, field)
    return False


cdef bint offers(const Table* table, Known known, const Text* wanted) noexcept nogil:
    """Is `wanted` in these lists, to the letter?"""
    cdef const Field* field = next_field(table, known, NULL)
    cdef Text rest, found
    while field is not NULL:
        rest = value_of(table, field)
        while next_element(&rest, &found):
            if same(&found, wanted):
                return True
        field = next_field(table, known, field)
    return False


cdef void put_fields(Out* out, const Table* table, uint32_t dropped) noexcept nogil:
    """Write every field that is not nominated or hidden and whose name is not in the set
    `dropped`, exact and in order."""
    cdef const Field* field = table.fields
    while field < table.fields + table.count:
        if not (dropped >> field.known & 1 or field.nominated or field.hidden):
            put(out, table.data + field.name, field.name_size)
            put(out, b": ", 2)
            put(out, table.data + field.value, field.value_size)
            put(out, b"\r\n", 2)
        field += 1


# writing

cdef inline Text text(bytes value) noexcept:
    return Text(value, len(value))


@cython.final
@cython.no_gc
cdef class Forwarded:
    def __init__(self, bytes client not None, bint tls, bint trusted):
        self.client = client
        self.tls = tls
        self.trusted = trusted

    cdef void put(self, Out* out, const Table* table) noexcept:
        """Write our own forwarding headers; those of a trusted peer stand where it wrote them."""
        cdef const Field* field = next_field(table, HOST, NULL)
        cdef Text client = text(self.client)
        cdef Text proto = text(b"https") if self.tls else text(b"http")
        cdef Text host
        cdef uint32_t kept = table.seen if self.trusted else 0
        self._put_chain(out, table)
        if not kept >> X_FORWARDED_PROTO & 1:
            put_line(out, b"X-Forwarded-Proto: ", 19, &proto)
        if field is not NULL and not kept >> X_FORWARDED_HOST & 1:
            host = value_of(table, field)
            put_line(out, b"X-Forwarded-Host: ", 18, &host)
        if not kept >> X_REAL_IP & 1:
            put_line(out, b"X-Real-IP: ", 11, &client)

    cdef void _put_chain(self, Out* out, const Table* table) noexcept:
        cdef const Field* field = NULL
        cdef Text client = text(self.client)
        put(out, b"X-Forwarded-For: ", 17)
        if self.trusted:
            field = next_field(table, X_FORWARDED_FOR, NULL)
        while field is not NULL:
            if field.value_size:
                put(out, table.data + field.value, field.value_size)
                put(out, b", ", 2)
            field = next_field(table, X_FORWARDED_FOR, field)
        put_line(out, b"", 0, &client)
